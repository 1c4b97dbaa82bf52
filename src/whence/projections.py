"""`Projection`: the general form of a read model, for any database that SQLAlchemy speaks.

::

    entries = Table("entries", MetaData(), Column("number", Integer, primary_key=True), ...)

    class Ledger(Projection):
        tables = [entries]

        @project
        def _(self, event: MoneyDeposited, connection: Connection) -> None:
            connection.execute(entries.insert().values(amount=event.amount))

What a handler does with the connection is kept together with the projection's checkpoint, or
not at all. Handlers may ask the database; nobody checks whether they could be repeated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from whence.aggregate import snake_case
from whence.codec import Codec, undecodable, unknown_type
from whence.envelope import Recorded
from whence.errors import HandlerFailed, WiringError
from whence.fingerprints import fingerprint
from whence.folds import Stuck
from whence.forms import Form
from whence.handlers import Handler, collect, helpers
from whence.messages import describe, place

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData, Table


@dataclass(frozen=True)
class ProjectionSpec:
    """What is known of a projection: its name, its handlers, its tables and where they are."""

    cls: "type[Projection]"
    name: str
    handlers: Mapping[type, Handler]
    slices: int = 1
    """How many processes may share its work; what is of one stream stays together."""
    database: str | None = None
    """The URL of the database that it writes to; None: where the read models are."""
    attempts: int = 3
    """How often an event is tried again that a handler fails on, before it is parked."""

    @property
    def where(self) -> str:
        """The class and where it stands, for errors."""
        return place(self.cls)

    @property
    def tables(self) -> "Sequence[Table]":
        """Those that it writes to."""
        metadata = self.cls.metadata
        return self.cls.tables if metadata is None else list(metadata.tables.values())

    @cached_property
    def shape(self) -> str:
        """A hash of the handlers: if it differs, the tables are emptied and filled anew."""
        functions = [handler.function for handler in self.handlers.values()]
        words = [describe(message).words for message in self.handlers]
        return fingerprint(words, *functions, *helpers(self.cls))


class Projection:
    """Handlers that write to tables of their own, in the checkpoint's transaction.

    ``tables``, or the ``metadata`` that they are in, are made at start and emptied at a rebuild:
    nobody else may write to them. ``class Ledger(Projection, name="ledger", slices=8,
    database="postgresql://...", attempts=5)`` names it, lets eight processes share its work
    (whoever has a stream has all of it; counts from the next rebuild on), writes to another
    database than that of the read models, and tries an event five times more that a handler fails
    on, before its stream is parked.
    """

    __projection__: ClassVar[ProjectionSpec]
    tables: "ClassVar[Sequence[Table]]" = ()
    metadata: "ClassVar[MetaData | None]" = None

    def __init_subclass__(
        cls,
        *,
        name: str = "",
        slices: int = 1,
        database: str | None = None,
        attempts: int = 3,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        if slices < 1:
            raise WiringError(f"{place(cls)}: {slices} slices are none: one or more")
        handlers = collect(cls, "project", "event")
        name = name or snake_case(cls.__name__)
        cls.__projection__ = ProjectionSpec(cls, name, handlers, slices, database, attempts)


def projection_of(cls: type[Projection]) -> ProjectionSpec:
    """What is known of ``cls``. Raises `WiringError` if it handles nothing or owns no table."""
    spec: ProjectionSpec | None = getattr(cls, "__projection__", None)
    if spec is None or not spec.handlers:
        raise WiringError(
            f"{place(cls)} handles no event: give it a method"
            " `@project def _(self, event: SomeEvent, connection: Connection) -> None`"
        )
    if not spec.tables:
        raise WiringError(
            f"{spec.where} names no table, so nobody could empty it for a rebuild: say"
            " `tables = [...]` or `metadata = ...` in the class"
        )
    return spec


class _Way(NamedTuple):
    """How events of one stored word reach their handler."""

    form: Form
    handler: Handler
    wants_record: bool


class Handling:
    """How one projection handles events: decodes them, and calls its handlers."""

    def __init__(self, spec: ProjectionSpec, codec: Codec) -> None:
        self.spec = spec
        self._codec = codec
        self._projection = spec.cls()
        self._ways: dict[str, _Way | None] = {}
        for handler in spec.handlers.values():
            way = _Way(codec.form(handler.message), handler, _wants_record(handler))
            self._ways |= dict.fromkeys(way.form.message.words, way)

    @property
    def wants_records(self) -> bool:
        """Whether a handler looks at the events as they are recorded."""
        return any(way is not None and way.wants_record for way in self._ways.values())

    def concerning(self, events: Iterable[Recorded]) -> list[Recorded]:
        """Those of ``events`` that are handled, or that nobody knows."""
        ways = self._ways
        return [event for event in events if ways.get(event.type, event) is not None]

    def handle(self, recorded: Recorded, connection: "Connection") -> None:
        """Hand one event to its handler, if it has one. Raises `Stuck`."""
        way = self._ways.get(recorded.type)
        if way is None:
            return self._unhandled(recorded)
        try:
            event = way.form.decode(recorded.data)
        except (ValueError, TypeError) as error:
            failure = undecodable(recorded, way.form, error)
            raise Stuck(recorded.position, failure) from error
        record = (recorded,) if way.wants_record else ()
        try:
            way.handler.function(self._projection, event, connection, *record)
        except Exception as error:
            failed = HandlerFailed(self.spec.name, recorded, error)
            failed.__cause__ = error
            raise Stuck(recorded.position, failed) from error

    def _unhandled(self, recorded: Recorded) -> None:
        """An event without a handler; the application must at least know it."""
        if recorded.type not in self._ways and self._codec.named(recorded.type) is None:
            raise Stuck(recorded.position, unknown_type(recorded))
        self._ways[recorded.type] = None


def _wants_record(handler: Handler) -> bool:
    return len(signature(handler.function).parameters) == 4
