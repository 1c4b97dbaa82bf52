"""`decide`, `evolve`, `project` and how handlers are found by the type that they annotate.

The same decorators serve aggregates, read models, decision models and process managers.
Handlers may all be called ``_``: each is noted in its class body when it is written.
"""

import inspect
import re
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, Union, cast, get_args, get_origin, overload
from typing import get_type_hints as _hints

from whence.errors import Refused, WiringError
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
    example: str = "def _(self, {kind}: Some{Kind})"
    pure: bool = True
    """No clock, no chance, no I/O: it is replayed."""
    plain: bool = True
    """Not async."""


_RULES: Mapping[str, _Rule] = {
    "project": _Rule(
        (3, 4), "takes the {kind}, a connection and, if it likes, the record", pure=False
    ),
    "answer": _Rule(
        (1, 2),
        "takes the {kind} and, if it likes, the application",
        "def answer({kind}: Some{Kind}, app: App)",
        pure=False,
        plain=False,
    ),
    "decide function": _Rule(example="def decide({kind}: Some{Kind}, state: State)"),
    "evolve function": _Rule(example="def evolve(state: State, {kind}: Some{Kind})"),
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
    body.setdefault("__notes__", []).append(_Note(role, function, where, _names(frame), options))


def _names(frame: types.FrameType) -> Mapping[str, Any]:
    """What surrounds the class body ``frame``, unless it is the module, which is found anyway."""
    outer = frame.f_back
    return {} if outer is None or outer.f_locals is outer.f_globals else dict(outer.f_locals)


def collect(cls: type, role: str, kind: Kind) -> dict[type, Handler]:
    """The handlers of ``cls`` for ``role``, by message type; a subclass overrides its bases.

    Raises `WiringError` for two handlers of one message in one class body, for a missing or
    wrong annotation, for a function that is not plain, and for an override that is no handler.
    """
    found: dict[type, Handler] = {}
    for base in reversed(cls.__mro__):
        notes: list[_Note] = base.__dict__.get("__notes__", [])
        own: dict[type, Handler] = {}
        for noted in notes:
            if noted.role == role:
                for handler in _handlers(noted, kind):
                    _add(own, handler, cls, role)
        for handler in found.values():
            _check_override(base, handler, role, [noted.function for noted in notes])
        found |= own
    return found


def _check_override(
    base: type, handler: Handler, role: str, noted: list[Callable[..., Any]]
) -> None:
    """A method that looks as if it took the place of ``handler`` must be a handler itself."""
    name = handler.function.__name__
    other = base.__dict__.get(name, handler.function)
    if name != "_" and other is not handler.function and other not in noted:
        raise WiringError(
            f"{written_at(other)}: {base.__name__}.{name} would not be called: it hides the"
            f" @{role} at {handler.where}. Decorate it with @{role} too, or give it another name"
        )


def annotated(
    function: Callable[..., Any], place: int, kind: Kind, role: str
) -> dict[type, Handler]:
    """The types that parameter number ``place`` of a free function annotates, as handlers."""
    noted = _Note(role, function, written_at(function), {}, {"place": place})
    return {handler.message: handler for handler in _handlers(noted, kind, place)}


def written_at(function: Callable[..., Any]) -> str:
    """File and line of ``function``, as errors name a place."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)


def check_roles(cls: type, *roles: str, keyed: bool = False) -> None:
    """Raise `WiringError` for a decorated method of ``cls`` that nobody would ever call."""
    for base in cls.__mro__:
        notes: list[_Note] = base.__dict__.get("__notes__", [])
        for noted in notes:
            if noted.role not in roles:
                can = " and ".join(f"@{role}" for role in roles)
                raise WiringError(
                    f"the @{noted.role} at {noted.where} does nothing in {cls.__name__},"
                    f" which has only {can}"
                )
            if noted.options.get("key") is not None and not keyed:
                raise WiringError(
                    f"the @{noted.role}(key=...) at {noted.where} is of no use in {cls.__name__}:"
                    " only the rows of a read model have keys"
                )


_OURS = re.compile(r"whence\.(?!examples\.)")


def helpers(cls: type) -> list[Callable[..., Any]]:
    """The methods that users wrote for ``cls`` and that are no decisions: a fold may use them."""
    found: list[Callable[..., Any]] = []
    written = [b for b in cls.__mro__[:-1] if not _OURS.match(b.__module__)]
    for base in written:
        notes: list[_Note] = base.__dict__.get("__notes__", [])
        decisions = {noted.function for noted in notes if noted.role == "decide"}
        for one in base.__dict__.values():
            function = inspect.unwrap(getattr(one, "fget", getattr(one, "__func__", one)))
            if isinstance(function, types.FunctionType) and function not in decisions:
                found.append(function)
    return found


def _add(own: dict[type, Handler], handler: Handler, cls: type, role: str) -> None:
    twin = own.get(handler.message)
    if twin is not None:
        raise WiringError(
            f"{cls.__name__} has two @{role} for {handler.message.__name__}:"
            f" at {twin.where} and at {handler.where}. Keep one"
        )
    own[handler.message] = handler


def _refusal(function: Callable[..., Any]) -> str | None:
    """The name by which ``function`` speaks of a refusal, if it does."""
    known = getattr(function, "__globals__", {})
    names: tuple[str, ...] = getattr(getattr(function, "__code__", None), "co_names", ())
    found = ((name, known.get(name)) for name in names)
    return next((n for n, v in found if isinstance(v, type) and issubclass(v, Refused)), None)


def _handlers(noted: _Note, kind: Kind, place: int = 1) -> list[Handler]:
    function, where = noted.function, noted.where
    rule = _RULES.get(noted.role, _FOLD)
    free = noted.role == "answer" or noted.role.endswith(" function")
    what = f"the {'' if free else '@'}{noted.role} at {where}"
    if rule.plain and (
        inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    ):
        raise WiringError(f"{what} is async: write a plain `def`, it has nothing to wait for")
    if rule.pure and (found := impurity(function)):
        raise WiringError(
            f"{what} is not repeatable: {found}. It must give the same result on every replay:"
            " let the command or the event carry what is needed"
        )
    if noted.role.startswith("evolve") and (refusal := _refusal(function)):
        raise WiringError(
            f"{what} uses {refusal}, but it refuses nothing: what is in the log has happened."
            " Let the decision refuse, before it yields the event"
        )
    messages = _types(noted, place, kind, rule, what)
    for message in messages:
        try:
            describe(message, kind)
        except WiringError as error:
            raise WiringError(f"{what}: {error}") from None
    return [Handler(message, function, where, noted.options) for message in messages]


def _types(noted: _Note, place: int, kind: Kind, rule: _Rule, what: str) -> list[type]:
    """The classes that the parameter in ``place`` is annotated with; a union names several."""
    function = noted.function
    parameters = list(inspect.signature(function).parameters.values())
    example = f"as in `{rule.example.format(kind=kind, Kind=kind.title())}`"
    if len(parameters) not in rule.takes:
        raise WiringError(f"{what} {rule.says.format(kind=kind)}, {example}")
    name = parameters[place].name
    try:
        hint = _hints(function, localns=dict(noted.names)).get(name)
    except NameError as error:
        raise WiringError(
            f"{what} is annotated with {error.name!r}, unknown there: define or import it before"
        ) from error
    union = get_origin(hint) in (Union, types.UnionType)
    found = list(get_args(hint)) if union else [hint]
    if not all(isinstance(one, type) for one in found):
        raise WiringError(f"{what} does not say which {kind} it is for: annotate it, {example}")
    return cast(list[type], found)
