"""Finds what would make a fold give another result on the next replay: clocks, chance, I/O."""

import builtins
import datetime
import dis
import io
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, ModuleType
from typing import Any

_MODULES = frozenset(
    (
        *("time", "random", "secrets", "os", "posix", "nt", "genericpath", "io", "socket"),
        *("subprocess", "shutil", "asyncio", "threading", "logging", "sqlite3", "sqlalchemy"),
        *("requests", "httpx", "urllib", "urllib3"),
    )
)
_HARMLESS = (io.StringIO, io.BytesIO, time.struct_time)
_PURE = frozenset({"urllib.parse"})
_BUILTINS = frozenset({"open", "input", "print", "exec", "eval", "breakpoint"})
_CLOCKS = (datetime.datetime, datetime.date)
_READS_CLOCK = frozenset({"now", "utcnow", "today"})
_MAKES_IDS = frozenset({"uuid1", "uuid4", "uuid6", "uuid7"})
_CONSTANT = (str, bytes, int, float, tuple, frozenset)


def impurity(function: Callable[..., Any]) -> str | None:
    """What ``function`` does that a pure one may not, in words; None if nothing was found.

    Looks at the function's own bytecode, not at what it calls: a help, not a proof.
    """
    code: CodeType | None = getattr(function, "__code__", None)
    if code is None:
        return None
    known = vars(builtins) | getattr(function, "__globals__", {}) | dict(_closure(function, code))
    return next(_search(code, known), None)


def _closure(function: Any, code: CodeType) -> Iterator[tuple[str, object]]:
    """What the function has from the functions around it, as far as it is there yet."""
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            yield name, None


def _search(code: CodeType, known: Mapping[str, Any]) -> Iterator[str]:
    path: list[str] = []  # the global name that is being read, and its attributes so far
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and path:
            path.append(instruction.argval)
            continue
        yield from _judged(path, known)
        path = []
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"):
            path = [instruction.argval]
        elif instruction.opname == "IMPORT_NAME" and _does_more(instruction.argval):
            yield f"it imports {instruction.argval}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _search(constant, known)


def _judged(path: list[str], known: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the use of what ``path`` leads to, if anything is."""
    if path and path[0] in known:
        value, shown = known[path[0]], path[0]
        for name in path[1:]:
            if not isinstance(value, (ModuleType, type)):
                break  # whatever it is now, it may be something else then
            inside = vars(value) if isinstance(value, ModuleType) else None
            value = getattr(value, name, None) if inside is None else inside.get(name)
            shown = f"{shown}.{name}"
        if wrong := _wrong_with(value):
            yield f"it {wrong} ({shown})"


def _wrong_with(value: Any) -> str | None:
    name, owner = getattr(value, "__name__", ""), getattr(value, "__self__", None)
    if name in _READS_CLOCK and _is_a(owner, *_CLOCKS):
        return "reads the clock"
    if name in _MAKES_IDS and value is getattr(uuid, name, None):
        return "makes an id"
    if name in _BUILTINS and value is getattr(builtins, name):
        return "does more than compute"
    if isinstance(value, (ModuleType, *_CONSTANT)) or any(value is one for one in _HARMLESS):
        return None
    if _is_a(value, BaseException):
        return None
    return "does more than compute" if _does_more(_home(value, owner)) else None


def _is_a(value: object, *classes: type) -> bool:
    return isinstance(value, type) and issubclass(value, classes)


def _home(value: object, owner: object) -> str | None:
    """The module that a function, a class, or the class of anything else comes from."""
    if owner is not None and not isinstance(owner, (type, ModuleType)):
        return type(owner).__module__  # of a method, what it is a method of
    module = getattr(value, "__module__", None) or type(value).__module__
    return module if isinstance(module, str) else None


def _does_more(module: str | None) -> bool:
    """Whether the functions of ``module`` do more than compute."""
    return module not in _PURE and (module or "").partition(".")[0].lstrip("_") in _MODULES
