"""The words a domain speaks: `event`, `command`, `query`, and `Tag`.

Each decorator registers a stable type name for a class and leaves the class as it is; a plain
class becomes a frozen, slotted dataclass first. Names, never import paths, are what is stored.
"""

import inspect
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, partial
from types import FrameType
from typing import (
    Any,
    Literal,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    overload,
)
from typing import get_type_hints as _hints

import msgspec

from whence.errors import WiringError

Kind = Literal["event", "command", "query"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Tag:
    """Marks an event's field as a tag: ``course_id: Annotated[str, Tag("course")]``.

    The stored tag is ``course:<value>``, one per element if the field holds several. Tags are
    not secret: ``normalise`` may hash a personal value (and fold its case) first.
    """

    name: str
    normalise: Callable[[str], str] = str

    def of(self, value: object) -> list[str]:
        """The tags of a field that holds ``value``; none for None."""
        if value is None:
            return []
        several = isinstance(value, (list, tuple, set, frozenset))
        values = cast(Iterable[object], value) if several else (value,)
        return [f"{self.name}:{self.normalise(_text(one))}" for one in values]


def _text(value: object) -> str:
    """``value`` in a tag. An Enum's member counts by its value: its class may be renamed."""
    return str(value.value if isinstance(value, Enum) else value)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: what a form, a check or a tag needs to know of it."""

    name: str
    type: Any
    """As annotated, with what is in ``Annotated``."""
    required: bool
    tag: Tag | None = None


@dataclass(frozen=True)
class MessageType:
    """What is known of a registered class: its kind, stable name, version and place."""

    cls: type
    kind: Kind
    name: str
    version: int
    where: str
    """File and line of the class."""

    @property
    def word(self) -> str:
        """How this version is called in a store: the name, from version 2 on ``name@2``."""
        return word(self.name, self.version)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of this and all earlier versions, which this class can be asked to read."""
        return tuple(word(self.name, v) for v in range(1, self.version + 1))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields in their order. Raises `WiringError` if an annotation has no meaning."""
        try:
            hints = _hints(self.cls, include_extras=True)
        except NameError as error:
            raise WiringError(
                f"{self.where}: an annotation of {self.cls.__name__} names {error.name!r},"
                " which is not defined in its module"
            ) from error
        return tuple(
            Field(name, hints[name], required, tag_of(hints[name]))
            for name, required in _names(self.cls)
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.cls.__name__} ({self.where})"


def word(name: str, version: int) -> str:
    """How version ``version`` of the type ``name`` is called in a store."""
    return name if version == 1 else f"{name}@{version}"


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field, msgspec.field))
def event(cls: type[_T], /) -> type[_T]: ...
@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field, msgspec.field))
def event(name: str | None = None, /, *, version: int = 1) -> Callable[[type[_T]], type[_T]]: ...
def event(first: Any = None, /, *, version: int = 1) -> Any:
    """Make a class an event: something that happened, in the past tense, kept for ever."""
    return _register("event", first, version)


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field, msgspec.field))
def command(cls: type[_T], /) -> type[_T]: ...
@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field, msgspec.field))
def command(name: str | None = None, /, *, version: int = 1) -> Callable[[type[_T]], type[_T]]: ...
def command(first: Any = None, /, *, version: int = 1) -> Any:
    """Make a class a command: a person's task, which the domain may refuse."""
    return _register("command", first, version)


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field, msgspec.field))
def query(cls: type[_T], /) -> type[_T]: ...
@overload
@dataclass_transform(frozen_default=True, field_specifiers=(field, msgspec.field))
def query(name: str | None = None, /, *, version: int = 1) -> Callable[[type[_T]], type[_T]]: ...
def query(first: Any = None, /, *, version: int = 1) -> Any:
    """Make a class a query: a question that read models answer."""
    return _register("query", first, version)


_frozen = dataclass(frozen=True, slots=True)
_registered: dict[type, MessageType] = {}


def registered(cls: type) -> MessageType | None:
    """What is known of ``cls``; None if it is no message."""
    return _registered.get(cls)


def describe(cls: type, kind: Kind | None = None) -> MessageType:
    """What is known of ``cls``. Raises `WiringError` unless it is a message (of that kind)."""
    found = _registered.get(cls)
    if found is None:
        wanted = f"@{kind}" if kind else "@event, @command or @query"
        raise WiringError(f"{place(cls)} is not a message: {_instead_of(cls, wanted)}")
    if kind is not None and found.kind != kind:
        article = "an" if kind == "event" else "a"
        raise WiringError(f"{found} is used as {article} {kind}: decorate it with @{kind}")
    return found


def _instead_of(cls: type, wanted: str) -> str:
    """What to use where ``cls`` is no message."""
    if issubclass(cls, type):
        return f"give an object of the class with {wanted}, not the class itself"
    if cls.__module__ == "builtins":
        return f"a class of yours with {wanted} is wanted, or an object of it"
    return f"decorate it with {wanted}"


def spoken_in(modules: Collection[str], kind: Kind) -> list[MessageType]:
    """The messages of a kind that ``modules`` define at their top level, as they are now."""
    return [
        message
        for message in list(_registered.values())
        if message.kind == kind
        and message.cls.__module__ in modules
        and getattr(sys.modules.get(message.cls.__module__), message.cls.__name__, None)
        is message.cls
    ]


def place(cls: type) -> str:
    """A class and where it was written, as errors name it."""
    found = _registered.get(cls)
    return f"{cls.__qualname__} ({found.where if found else _source_of(cls)})"


def _source_of(cls: type) -> str:
    """File and line of a class that is no message; its module if nobody can tell."""
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):  # typed into a console, or built in
        return cls.__module__


def line_of(frame: FrameType) -> str:
    """File and line of ``frame``, as errors name a place."""
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _register(kind: Kind, first: Any, version: int) -> Any:
    where = line_of(sys._getframe(2))  # pyright: ignore[reportPrivateUsage]
    if version < 1:
        raise WiringError(f"{where}: versions count from 1, not {version}")

    def decorate(cls: type[Any], name: str | None = None) -> type[Any]:
        if cls in _registered:
            raise WiringError(f"{where}: this is the {_registered[cls]} already: decorate it once")
        made = cls if _is_made(cls, where) else _made(cls, where)
        _registered[made] = MessageType(made, kind, name or cls.__name__, version, where)
        return made

    if isinstance(first, type):
        return decorate(cast(type[Any], first))
    if first is not None and not (isinstance(first, str) and first and "@" not in first):
        raise WiringError(f"{where}: @{kind} takes a name without '@', not {first!r}")
    return partial(decorate, name=first)


def _made(cls: type[Any], where: str) -> type[Any]:
    """``cls`` as a dataclass. Raises `WiringError` for fields that it cannot have."""
    check_typed(cls, where)
    try:
        return _frozen(cls)
    except (TypeError, ValueError) as error:
        mutable = "mutable default" in str(error)
        remedy = ", as in `field(default_factory=list)` of dataclasses" if mutable else ""
        raise WiringError(f"{where}: {cls.__name__}: {error}{remedy}") from error


def check_typed(cls: type, where: str) -> None:
    """Raise `WiringError` if ``cls`` has what looks like a field, but has no annotation.

    Methods, nested classes and what begins with an underscore are none; CONSTANTS neither.
    """
    typed, attributes = inspect.get_annotations(cls), cast("dict[str, object]", vars(cls))
    for name, value in attributes.items():
        hidden = name.startswith("_") or name.isupper()
        behaviour = callable(value) or hasattr(value, "__get__")
        if name not in typed and not hidden and not behaviour:
            raise WiringError(
                f"{where}: {cls.__name__}.{name} has no type, so it is no field: write"
                f" `{name}: {type(value).__name__} = {value!r}`"
            )


def _is_made(cls: type, where: str) -> bool:
    """Whether ``cls`` is already a dataclass, Struct, attrs class or Pydantic model.

    Raises `WiringError` for a class that inherits from one and is not decorated as one itself:
    its own fields would be ignored.
    """
    if hasattr(cls, "__struct_fields__") or any(mark in cls.__dict__ for mark in _MADE):
        return True
    for mark, fix in (("__attrs_attrs__", "@attrs.frozen"), (_PYDANTIC, "@pydantic's dataclass")):
        if hasattr(cls, mark):
            raise WiringError(f"{where}: {cls.__name__} needs {fix}, as its base has it")
    return False


_PYDANTIC = "__pydantic_validator__"
_MADE = ("__dataclass_fields__", "__attrs_attrs__", _PYDANTIC)


def pydantic_validator(cls: type) -> Any:
    """What makes instances of a Pydantic model or dataclass; None for other classes."""
    return cls.__dict__.get(_PYDANTIC)


def _names(cls: Any) -> list[tuple[str, bool]]:
    """Names of the fields of ``cls``, and whether each must be given."""
    if pydantic_validator(cls) is not None:
        fields: dict[str, Any] = cls.__pydantic_fields__
        return [(name, field.is_required()) for name, field in fields.items()]
    parameters = inspect.signature(cls).parameters
    for attribute in getattr(cls, "__attrs_attrs__", ()):
        if attribute.init and attribute.name not in parameters:
            raise WiringError(
                f"{place(cls)}: its field {attribute.name!r} is {attribute.alias!r} to those who"
                " make one: give it one name, without an underscore"
            )
    return [(p.name, p.default is p.empty) for p in parameters.values()]


def tag_of(hint: Any) -> Tag | None:
    """The tag that an annotation carries, if any: also inside a union, a list or the like."""
    found = (mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Tag))
    return next(found, None) or next(filter(None, map(tag_of, get_args(hint))), None)
