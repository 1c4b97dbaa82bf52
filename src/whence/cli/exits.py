"""How a command ends: the one table of exit codes, and what is said of each error."""

from collections.abc import Mapping
from typing import Any, cast

from whence.envelope import Recorded
from whence.errors import (
    Behind,
    ChangedState,
    CodecError,
    Conflict,
    Forbidden,
    HandlerFailed,
    Invalid,
    NotFound,
    Rejected,
    StoreError,
    Unknown,
    WhenceError,
    WiringError,
)
from whence.mistakes import kind_and_text, lines_of

DONE, FAILED, USAGE, PROBLEM, INTERRUPTED = 0, 1, 2, 9, 130

MEANINGS: Mapping[int, str] = {
    DONE: "done",
    FAILED: "failed: an error that no other code stands for",
    USAGE: "usage: the command line, a setting or the wiring is wrong",
    3: "invalid: the message is malformed; every bad field is named",
    4: "forbidden: this person may not do this",
    5: "rejected: the domain says no",
    6: "conflict: others were faster; look again, and decide again",
    7: "not found: no such row, stream, version or store",
    8: "store: it failed, or holds what this program cannot read",
    PROBLEM: "problem: a read model is behind, or doctor found something",
    10: "unknown: was it stored? Send it again with the same --id",
    INTERRUPTED: "interrupted; worker and tail -f end with 0 instead",
}
"""Every exit code and what it means."""

_CODES: tuple[tuple[type[WhenceError], int], ...] = (
    (WiringError, USAGE),
    (ChangedState, USAGE),
    (Invalid, 3),
    (Forbidden, 4),
    (Rejected, 5),
    (Conflict, 6),
    (NotFound, 7),
    (CodecError, 8),
    (StoreError, 8),
    (Behind, PROBLEM),
    (HandlerFailed, PROBLEM),
    (Unknown, 10),
)


class UsageError(WhenceError):
    """The command line does not make sense."""


def code_of(error: BaseException) -> int:
    """The exit code that ``error`` stands for."""
    if isinstance(error, UsageError):
        return USAGE
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def as_document(error: BaseException) -> dict[str, Any]:
    """What ``--json`` says of ``error``: its kind, its message and its numbers."""
    attributes = {name: _plain(value) for name, value in vars(error).items() if name[0] != "_"}
    about = {"kind": _kind(error), "message": message_of(error), "exit": code_of(error)}
    return {"error": about | attributes}


def message_of(error: BaseException) -> str:
    """What people are told of ``error``, and of what is behind it if that says more.

    Of one that is not ours: the lines of the application that led to it.
    """
    if not isinstance(error, WhenceError):
        lines = [f"  {line.where}: {line.text}" for line in lines_of(error)]
        return "\n".join([kind_and_text(error), *lines])
    said = str(error) or type(error).__name__
    cause = error.__cause__
    if isinstance(error, Behind) and cause is not None:
        kind = "" if isinstance(cause, WhenceError) else f"{type(cause).__name__}: "
        said = f"{error.model} stands still at position {error.reached}: {kind}{cause}"
    return "\n".join([said, *getattr(error, "__notes__", ())])


def table() -> str:
    """Every exit code and what it means, as a table in Markdown."""
    rows = "\n".join(f"| {code} | {meaning} |" for code, meaning in MEANINGS.items())
    return f"| exit code | meaning |\n|---|---|\n{rows}\n"


def _kind(error: BaseException) -> str:
    """The name of the nearest class that belongs to whence, for programs to compare with."""
    own = (c.__name__ for c in type(error).__mro__ if c.__module__.startswith("whence."))
    return next(own, type(error).__name__)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[object, ...]", value)]
    if isinstance(value, Recorded):
        return {
            "position": value.position,
            "stream": value.stream,
            "version": value.version,
            "type": value.type,
        }
    return value
