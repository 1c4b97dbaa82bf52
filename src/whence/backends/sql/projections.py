"""A `Projection` in a SQL database: its tables, and its handlers in their transactions."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.schema import CreateIndex, CreateTable, sort_tables

from whence.backends.sql.controls import SqlControls
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.failures import is_trouble
from whence.backends.sql.following import SqlFollower
from whence.backends.sql.letters import SqlLetters
from whence.backends.sql.registry import Record
from whence.codec import Codec
from whence.envelope import Recorded
from whence.fingerprints import fingerprint
from whence.folds import Stuck
from whence.letters import Letters
from whence.parking import Parking, can_be_parked
from whence.projections import Handling, ProjectionSpec
from whence.store import ALL, EventStore, bare
from whence.subscribers import Build, Halted


class SqlProjection(SqlFollower):
    """One projection in one database: a `Subscriber` to the log, rebuilt in place."""

    in_place = True
    """See `Build.in_place`: its handlers name their tables, so there is no place beside."""
    generation = 0
    """See `Build.generation`."""

    def __init__(self, spec: ProjectionSpec, database: ReadDatabase, codec: Codec) -> None:
        self.tables: list[Table] = sort_tables(spec.tables)
        layout = fingerprint([_as_text(table) for table in self.tables])
        shape = f"{layout}:{spec.shape}"
        super().__init__(spec.name, shape, database, of=spec.name, attempts=spec.attempts)
        self.spec = spec
        self._handling = Handling(spec, codec)
        self.query = ALL if self._handling.wants_records else bare(ALL)

    @property
    def controls(self) -> "ProjectionControls":
        """What people can do with it."""
        return ProjectionControls(self, self.database)

    def letters(self, store: EventStore) -> Letters:
        """See `Subscriber.letters`."""
        return SqlLetters(self, None, store)

    async def start(self) -> Build | None:
        """See `Subscriber.start`: other handlers than those that filled the tables start anew."""
        await self.database.define(self._prepare)
        return None

    async def rebuild(self, head: int) -> Build:
        """See `Subscriber.rebuild`."""

        def begin(connection: Connection) -> None:
            self._check_wanted(self.database.registry.load(connection, self.name))
            self.begin(connection, head)

        await self.database.define(begin)
        return self

    async def building(self) -> Build | None:
        """See `Subscriber.building`: those who follow the log do it anyway."""
        return None

    async def missing(self) -> Sequence[str]:
        """See `Subscriber.missing`."""

        def missing(connection: Connection) -> list[str]:
            there = self.database.checkpoints.load(connection, self.name)
            return self._absent(connection) if there else []

        return await self.database.look(missing)

    async def switch(self) -> bool:
        """See `Build.switch`: it is in its place as soon as it is where it was."""
        standing = await self.standing()
        return standing is not None and standing.position >= standing.target

    def begin(self, connection: Connection, target: int = 0) -> None:
        """Start at the first event, with empty tables."""
        registry, checkpoints = self.database.registry, self.database.checkpoints
        found = registry.load(connection, self.name)
        # Who writes at this moment is waited for: it would fill what is emptied.
        marks = checkpoints.hold(connection, self.name).values()
        self._empty(connection, keep=found is not None and _same_layout(found, self.shape))
        fresh = Record(self.name, self.shape, 1, self.spec.slices, target=target)
        if found is not None:
            fresh = replace(fresh, generation=found.generation + 1, wanted=found.wanted)
        registry.put(connection, fresh)
        revision = 1 + max((mark.revision for mark in marks), default=0)
        checkpoints.create(connection, self.name, fresh.slices, revision)
        self.database.dead.drop(connection, self.name)

    def drop(self, connection: Connection) -> None:
        """Remove the tables, and all that is kept but what people want of it."""
        found = self.database.registry.load(connection, self.name)
        for table in reversed(self.tables):
            table.drop(connection, checkfirst=True)
        self.database.checkpoints.drop(connection, self.name)
        self.database.dead.drop(connection, self.name)
        if found is not None:
            dropped = replace(found, target=0, problem=None, problem_at=None)
            self.database.registry.put(connection, dropped)

    def _prepare(self, connection: Connection) -> None:
        """Make sure that the tables are there: empty if other code, or nobody, has filled them."""
        found = self.database.registry.load(connection, self.name)
        self._check_wanted(found)
        there = self.database.checkpoints.load(connection, self.name)
        fits = found is not None and found.shape == self.shape
        if not fits or not there or self._absent(connection):
            self.begin(connection)

    def _absent(self, connection: Connection) -> list[str]:
        """The tables that are not there."""
        return [table.fullname for table in self.tables if not _is_there(connection, table)]

    def _check_wanted(self, found: Record | None) -> None:
        if found is not None and found.wanted != "running":
            raise Halted(found.wanted)

    def _empty(self, connection: Connection, *, keep: bool) -> None:
        """Empty the tables; make those anew that shall not be kept as they are."""
        for table in reversed(self.tables):
            if keep and _is_there(connection, table):
                connection.execute(table.delete())
            else:
                table.drop(connection, checkfirst=True)
        for table in self.tables:
            table.create(connection, checkfirst=True)

    def _concerning(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        return self._handling.concerning(events)

    def _write(
        self, connection: Connection, events: Sequence[Recorded], parking: Parking, careful: bool
    ) -> None:
        for recorded in events:
            if not parking.passes(recorded.stream, recorded):
                continue
            if careful:
                self._try(connection, recorded, parking)
            else:
                self._handle(connection, recorded)

    def _handle(self, connection: Connection, recorded: Recorded) -> None:
        try:
            self._handling.handle(recorded, connection)
        except Stuck as stuck:
            cause = stuck.error.__cause__
            if cause is not None and is_trouble(cause):
                raise cause from None  # it is not the event's fault
            raise

    def _try(self, connection: Connection, recorded: Recorded, parking: Parking) -> None:
        """Handle an event, or undo what its handler did, and park it."""
        try:
            with connection.begin_nested():
                self._handle(connection, recorded)
        except Stuck as stuck:
            if not can_be_parked(stuck.error):
                raise
            parking.park_stream(recorded, stuck.error)


class ProjectionControls(SqlControls):
    """Of a projection."""

    def __init__(self, projection: SqlProjection, database: ReadDatabase) -> None:
        super().__init__(projection.name, database)
        self._projection = projection

    async def rewind(self, store: EventStore, position: int) -> None:
        """See `Controls.rewind`: the handlers are called again."""

        def go_back(connection: Connection) -> None:
            self._database.checkpoints.hold(connection, self._name)
            self._database.checkpoints.go_back(connection, self._name, position)
            self._database.dead.drop_after(connection, self._name, position)

        await self._database.write(go_back)

    async def cancel(self) -> bool:
        """See `Controls.cancel`: what was emptied cannot be had back."""
        return False

    async def roll_back(self) -> bool:
        """See `Controls.roll_back`: there is never one before."""
        return False

    async def clean(self) -> bool:
        """See `Controls.clean`."""
        return False

    async def drop(self) -> None:
        """See `Controls.drop`."""

        def drop(connection: Connection) -> bool:
            self._projection.drop(connection)
            return True

        await self._define(drop)

    def _make(self, connection: Connection) -> None:
        self._projection.begin(connection)


def _is_there(connection: Connection, table: Table) -> bool:
    return inspect(connection).has_table(table.name, schema=table.schema)


def _same_layout(found: Record, shape: str) -> bool:
    return found.shape.partition(":")[0] == shape.partition(":")[0]


def _as_text(table: Table) -> str:
    """All that the database is told about ``table``."""
    indexes = sorted(str(CreateIndex(index)) for index in table.indexes)
    return f"{CreateTable(table)}{indexes}"
