"""`decide`, `evolve`, `project` and how handlers are found by the type that they annotate.

The same decorators serve aggregates, read models, decision models and process managers.
Handlers may all be called ``_``: each is noted in its class body when it is written.
"""

import hashlib
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union, cast, get_args, get_origin, overload
from typing import get_type_hints as _hints

from whence.errors import WiringError
from whence.messages import Kind, describe
from whence.purity import impurity

F = TypeVar("F", bound=Callable[..., Any])

Key = Callable[[Any], Any]
"""Finds the key, or several, of the rows that an event belongs to."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A user's function for one type of message, and where it was written."""

    message: type
    function: Callable[..., Any]
    where: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a function must look like to play a role."""

    takes: tuple[int, ...] = (2,)
    says: str = "takes the state and the {kind}, nothing else"
    pure: bool = True
    """No clock, no chance, no I/O: it is replayed."""
    plain: bool = True
    """Not async."""


_RULES: Mapping[str, _Rule] = {
    "project": _Rule((3, 4), "takes the {kind}, a connection and, if it likes, the record", False),
    "answer": _Rule((1, 2), "takes the {kind} and, if it likes, the application", False, False),
}
_FOLD = _Rule()


@dataclass(frozen=True, slots=True)
class _Note:
    """A decorated function, as its class body left it."""

    role: str
    function: Callable[..., Any]
    where: str
    names: Mapping[str, Any]
    """What its annotations may name beside the module's globals."""
    options: Mapping[str, Any]


def decide(function: F, /) -> F:
    """Let a method decide the command that it annotates: look, refuse or yield events.

    It changes nothing: an assignment to ``self`` inside it is refused.
    """
    note(function, "decide", sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
    return function


@overload
def evolve(function: F, /) -> F: ...
@overload
def evolve(*, key: str | Key) -> Callable[[F], F]: ...
def evolve(function: Any = None, /, *, key: str | Key | None = None) -> Any:
    """Let a method fold the event that it annotates into ``self``: change, never refuse.

    ``key``, on a read model: which row (or rows) the event belongs to, as the name of the event's
    field or a function of the event; default: the field that is called like the row's key.
    """
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    if function is not None:
        note(function, "evolve", frame)
        return function

    def keyed(function: F) -> F:
        note(function, "evolve", frame, key=key)
        return function

    return keyed


def project(function: F, /) -> F:
    """Let a method write the event that it annotates to a database, through a connection.

    ``def _(self, event: Opened, connection: Connection)``; a fourth parameter gets the event as
    it is recorded. All happens in the transaction that also moves the projection's checkpoint.
    """
    note(function, "project", sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
    return function


def note(function: Callable[..., Any], role: str, frame: types.FrameType, **options: Any) -> None:
    """Remember in the class body ``frame`` that ``function`` plays ``role`` there."""
    body = frame.f_locals
    where = written_at(function)
    if "__qualname__" not in body:
        raise WiringError(f"{where}: @{role} belongs on a method, inside a class")
    names = frame.f_back.f_locals if frame.f_back and frame.f_back.f_locals is not body else {}
    body.setdefault("__notes__", []).append(_Note(role, function, where, dict(names), options))


def collect(cls: type, role: str, kind: Kind) -> dict[type, Handler]:
    """The handlers of ``cls`` for ``role``, by message type; a subclass overrides its bases.

    Raises `WiringError` for two handlers of one message in one class body, for a missing or
    wrong annotation, and for a function that is not plain.
    """
    found: dict[type, Handler] = {}
    for base in reversed(cls.__mro__):
        own: dict[type, Handler] = {}
        for noted in base.__dict__.get("__notes__", ()):
            if noted.role == role:
                for handler in _handlers(noted, kind):
                    _add(own, handler, cls, role)
        found |= own
    return found


def annotated(
    function: Callable[..., Any], place: int, kind: Kind, role: str = ""
) -> dict[type, Handler]:
    """The types that parameter number ``place`` of a free function annotates, as handlers."""
    noted = _Note(role, function, written_at(function), {}, {"place": place})
    return {handler.message: handler for handler in _handlers(noted, kind, place)}


def written_at(function: Callable[..., Any]) -> str:
    """File and line of ``function``, as errors name a place."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def fingerprint(*parts: object) -> str:
    """A short hash of ``parts``; functions count by what they do, not by where they stand."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_essence(part).encode())
    return digest.hexdigest()[:16]


def _essence(part: object) -> str:
    code = getattr(part, "__code__", part)
    if isinstance(code, types.CodeType):
        constants = ",".join(_essence(constant) for constant in code.co_consts)
        return f"{code.co_code.hex()}({constants})({code.co_names})"
    return repr(part)


def _add(own: dict[type, Handler], handler: Handler, cls: type, role: str) -> None:
    twin = own.get(handler.message)
    if twin is not None:
        raise WiringError(
            f"{cls.__name__} has two @{role} for {handler.message.__name__}:"
            f" at {twin.where} and at {handler.where}. Keep one"
        )
    own[handler.message] = handler


def _handlers(noted: _Note, kind: Kind, place: int = 1) -> list[Handler]:
    function, where = noted.function, noted.where
    rule = _RULES.get(noted.role, _FOLD)
    if rule.plain and (
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    ):
        raise WiringError(f"{where}: a plain function is needed here, not an async one")
    if rule.pure and (found := impurity(function)):
        raise WiringError(
            f"{where}: {found}. A fold must give the same result on every replay:"
            " let the command or the event carry what is needed"
        )
    messages = _types(noted, place, kind, rule)
    for message in messages:
        describe(message, kind)
    return [Handler(message, function, where, noted.options) for message in messages]


def _types(noted: _Note, place: int, kind: Kind, rule: _Rule) -> list[type]:
    """The classes that the parameter in ``place`` is annotated with; a union names several."""
    function, where = noted.function, noted.where
    parameters = list(inspect.signature(function).parameters.values())
    example = f"annotate it, as in `def _(self, {kind}: Some{kind.title()})`"
    if len(parameters) not in rule.takes:
        raise WiringError(f"{where}: {rule.says.format(kind=kind)}: {example}")
    name = parameters[place].name
    try:
        hint = _hints(function, localns=dict(noted.names)).get(name)
    except NameError as error:
        raise WiringError(f"{where}: the annotation names {error.name!r}, unknown here") from error
    union = get_origin(hint) in (Union, types.UnionType)
    found = list(get_args(hint)) if union else [hint]
    if not all(isinstance(one, type) for one in found):
        raise WiringError(f"{where}: does not say which {kind} it is for: {example}")
    return cast(list[type], found)
