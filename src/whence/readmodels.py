"""`ReadModel`: one row per key, folded from events, and the DTO that queries answer with.

::

    class Balance(ReadModel):
        account_id: str
        owner: Annotated[str, Index()] = ""
        balance: int = 0

        @evolve
        def _(self, event: AccountOpened) -> None:
            self.owner = event.owner

The first field is the key. Everything else needs a value before anything has happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from inspect import get_annotations
from operator import attrgetter
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
)
from typing import get_type_hints as _hints

import msgspec

from whence.aggregate import snake_case
from whence.columns import VERSION, Column, column_of
from whence.elsewhere import RowStore
from whence.errors import Invalid, WiringError
from whence.fingerprints import fingerprint
from whence.handlers import Handler, Key, collect, helpers
from whence.messages import check_typed, describe, place

R = TypeVar("R", bound="ReadModel")

Kind = Literal["catch-up", "live", "inline"]
"""``catch-up``: rows are kept in a table that follows the log. ``live``: there is no table, each
question folds the log. ``inline``: rows change in the transaction that stores the events."""

_OWN = ("version", "whence_position")


@dataclass(frozen=True)
class ReadModelSpec(Generic[R]):
    """What is known of a read model: its table's name, key, columns and handlers."""

    cls: type[R]
    name: str
    key: str
    columns: tuple[Column, ...]
    """In the order of the class; ``version`` is not among them."""
    evolvers: Mapping[type, Handler]
    follows: frozenset[str] = frozenset()
    """Categories of streams whose id is the key: the row's version is that stream's version,
    whatever the type of its latest event."""
    homes: Mapping[type, frozenset[str]] = field(default_factory=dict[type, frozenset[str]])
    """Events that are nowhere but in the streams of these categories whose id is the key. See
    `whence.tracing.homes_of`."""
    kind: Kind = "catch-up"
    revision: int | None = None
    """Which fold this is, as its author counts; None: a hash of the code tells."""
    attempts: int = 3
    """How often an event is tried again that a handler fails on, before its key is parked."""
    database: str | RowStore | None = None
    """The URL of the database that its table is in, or what keeps its rows; None: the
    application's database."""
    local: bool = False
    """Each node keeps rows of its own, in a file beside its process."""

    @property
    def where(self) -> str:
        """The class and where it stands, for errors."""
        return place(self.cls)

    @cached_property
    def layout(self) -> str:
        """A hash of the columns: a table of another layout cannot answer queries."""
        return fingerprint(self.key, self.columns)

    @cached_property
    def shape(self) -> str:
        """A hash of all that decides what is in the rows: if it differs, they are rebuilt."""
        inline = "inline " if self.kind == "inline" else ""  # it has slices of its own
        if self.revision is not None:
            return f"{self.layout}:{inline}revision {self.revision}"
        handlers = [(h.function, h.options.get("key")) for h in self.evolvers.values()]
        words = [describe(message).words for message in self.evolvers]
        parts = [*(part for pair in handlers for part in pair), *helpers(self.cls)]
        initial = self.cls.__struct_defaults__
        return f"{self.layout}:{inline}{fingerprint(sorted(self.follows), words, initial, *parts)}"

    @cached_property
    def key_column(self) -> Column:
        """The column that tells the rows apart."""
        return self.column(self.key)

    def fitting(self, name: str, value: Any) -> Any:
        """``value`` as the rows have it in the column ``name``.

        Raises `Invalid` for what no row can have there, `WiringError` if there is no such column.
        """
        try:
            return self.column(name).fitting(value)
        except ValueError as error:
            raise Invalid(f"a question to {self.name}", {name: str(error)}) from error

    def column(self, name: str) -> Column:
        """The column called ``name``. Raises `WiringError`, naming all, if there is none."""
        for column in (*self.columns, VERSION):
            if column.name == name:
                return column
        names = ", ".join(column.name for column in self.columns)
        raise WiringError(f"{self.where} has no column {name!r}; its columns: {names}, version")


_PLACED = {
    "inline": "its table is in the store's own database",
    "live": "it has no table, each question folds the log",
}
"""Kinds of read models for which nobody chooses a place."""


@dataclass_transform(field_specifiers=(msgspec.field,))
class ReadModelType(msgspec.StructMeta):
    """The class of read model classes: checks them when they are made."""

    __model__: "ReadModelSpec[Any]"

    def __new__(  # noqa: D102
        mcls,
        class_name: str,
        bases: tuple[type, ...],
        body: dict[str, Any],
        /,
        *,
        key: str = "",
        name: str = "",
        kind: Kind = "catch-up",
        revision: int | None = None,
        attempts: int = 3,
        database: str | RowStore | None = None,
        local: bool = False,
        kw_only: bool = False,
    ) -> "ReadModelType":
        if bases != (msgspec.Struct,) and "version" in body.get("__annotations__", ()):
            raise WiringError(
                f"{class_name} ({body['__module__']}): every read model has a `version` already."
                " Leave yours out, or give it another name"
            )
        cls = super().__new__(mcls, class_name, bases, body, kw_only=kw_only)
        if any("__notes__" in base.__dict__ for base in cls.__mro__):
            spec = _spec(cls, key, name or snake_case(class_name), kind)
            if kind in _PLACED and (database is not None or local):
                raise WiringError(
                    f"{place(cls)} is {kind}: {_PLACED[kind]}. Leave out"
                    f" database= and local=, or kind={kind!r}"
                )
            cls.__model__ = replace(
                spec, revision=revision, attempts=attempts, database=database, local=local
            )
        return cls


class ReadModel(msgspec.Struct, metaclass=ReadModelType, kw_only=True):
    """One row per key, folded from events; also the DTO that queries answer with.

    ``class Balance(ReadModel, key="account_id", name="balances")`` names the key, if it is not
    the first field, and the table, if it is not called like the class. ``kind="live"`` keeps no
    table: each question folds the log; ``kind="inline"`` changes the rows in the transaction that
    stores the events. ``revision=3`` says by hand which fold this is, instead of a hash of its
    code: another one is another fold, and all rows are made anew. ``attempts=5`` tries an event
    five times more that a handler fails on, before its row's key is parked.
    """

    __model__: ClassVar[ReadModelSpec[Any]]

    version: int = 0
    """The version of the event's stream at the last event: what its reader has seen."""

    def delete(self) -> None:
        """Remove the row. Call it in an `@evolve`; a later event of the key makes a new one."""
        self.version = 0


def spec_of(model: type[R]) -> ReadModelSpec[R]:
    """What is known of ``model``. Raises `WiringError` if it folds nothing."""
    found: ReadModelSpec[R] | None = getattr(model, "__model__", None)
    if found is None:
        raise WiringError(
            f"{place(model)} folds no event: give it a method"
            " `@evolve def _(self, event: SomeEvent) -> None`"
        )
    return found


def key_finder(spec: ReadModelSpec[Any], handler: Handler) -> Key:
    """How the key, or several, is found in the event that ``handler`` folds.

    Raises `WiringError` if the event has no such field.
    """
    key = handler.options.get("key") or spec.key
    if not isinstance(key, str):
        return cast(Key, key)
    message = describe(handler.message)
    if key not in {field.name for field in message.fields}:
        raise WiringError(
            f"{place(handler.message)} has no field {key!r}, so {spec.where} cannot tell which row"
            f" it belongs to (handler at {handler.where}). Name the field, or find the keys:"
            ' @evolve(key="other_field") or @evolve(key=lambda event: [...])'
        )
    return attrgetter(key)


def text_of(key: object) -> str:
    """A key as it stands in the names of streams and in tags."""
    return str(key.value if isinstance(key, Enum) else key)


def _spec(cls: Any, key: str, name: str, kind: Kind) -> ReadModelSpec[Any]:
    if kind not in get_args(Kind):
        kinds = " or ".join(f"kind={one!r}" for one in get_args(Kind))
        raise WiringError(f"{place(cls)}: there is no kind {kind!r}: say {kinds}")
    fields: tuple[str, ...] = tuple(f for f in cls.__struct_fields__ if f != "version")
    for taken in {*_OWN, "delete"} & set(get_annotations(cls)):
        raise WiringError(f"{place(cls)}: {taken!r} is whence's own; call yours otherwise")
    if not fields or (key and key not in fields):
        wanted = f"a field {key!r}" if key else "a field"
        raise WiringError(f"{place(cls)} needs {wanted} that is the key of its rows")
    key = key or fields[0]
    check_typed(cls, place(cls))
    _check_defaults(cls, key)
    hints = _annotations(cls)
    columns = tuple(column_of(cls, field, hints[field]) for field in fields)
    evolvers = collect(cls, "evolve", "event")
    spec = ReadModelSpec(cls, name, key, columns, evolvers, kind=kind)
    if spec.key_column.scalar is None or spec.key_column.nullable:
        raise WiringError(f"{spec.where}: the key {key!r} must be text, a number or the like")
    for handler in spec.evolvers.values():
        key_finder(spec, handler)
    return spec


def _check_defaults(cls: Any, key: str) -> None:
    defaults: tuple[Any, ...] = cls.__struct_defaults__
    fields: tuple[str, ...] = cls.__struct_fields__
    given = dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))
    for name in fields:
        if name != key and given.get(name, msgspec.NODEFAULT) is msgspec.NODEFAULT:
            raise WiringError(
                f"{place(cls)}: {name!r} needs a value before anything has happened:"
                f" `{name}: ... = ...` (the key of its rows is {key!r})"
            )


def _annotations(cls: type) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for base in cls.__mro__:
        for noted in base.__dict__.get("__notes__", ()):
            names |= noted.names
    try:
        return _hints(cls, localns=names, include_extras=True)
    except NameError as error:
        raise WiringError(
            f"{place(cls)}: an annotation names {error.name!r}, which is not defined here"
        ) from error
