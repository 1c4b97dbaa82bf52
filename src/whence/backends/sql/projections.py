"""A `Projection` in a SQL database: its tables, and its handlers in their transactions."""

from sqlalchemy import Connection, Table
from sqlalchemy.schema import CreateIndex, CreateTable, sort_tables

from whence.backends.sql.checkpoints import Checkpoint
from whence.backends.sql.database import ReadDatabase
from whence.codec import Codec
from whence.fingerprints import fingerprint
from whence.folds import Stuck
from whence.projections import Handling, ProjectionSpec
from whence.store import ALL, EventQuery, Page
from whence.subscribers import Build


class SqlProjection:
    """One projection in one database: a `Subscriber` to the log, rebuilt in place."""

    query: EventQuery = ALL
    """All of it: an event that the application does not know must be seen to be reported."""
    in_place = True
    """See `Build.in_place`: its handlers name their tables, so there is no place beside."""

    def __init__(self, spec: ProjectionSpec, database: ReadDatabase, codec: Codec) -> None:
        self.spec, self.name = spec, spec.name
        self._database = database
        self._handling = Handling(spec, codec)
        self._tables = sort_tables(spec.tables)
        layout = fingerprint([_as_text(table) for table in self._tables])
        self._shape = f"{layout}:{spec.shape}"

    async def checkpoint(self) -> int:
        """See `Follower.checkpoint`."""
        found = await self._load()
        return 0 if found is None else found.position

    async def apply(self, page: Page, after: int) -> bool:
        """See `Follower.apply`."""
        concerning = self._handling.concerning(page.events)
        if not concerning:
            return False

        def write(connection: Connection) -> None:
            self._move(connection, after, page.scanned)
            for recorded in concerning:
                self._handling.handle(recorded, connection)

        try:
            await self._database.write(write)
        except Stuck as stuck:
            raise stuck.error from stuck.error.__cause__
        return True

    async def save(self, position: int, after: int) -> None:
        """See `Follower.save`."""
        await self._database.write(lambda c: self._move(c, after, position))

    async def start(self) -> Build | None:
        """See `Subscriber.start`: other handlers than those that filled the tables start anew."""
        await self._database.write(self._prepare)
        return None

    async def rebuild(self) -> Build:
        """See `Subscriber.rebuild`."""
        await self._database.write(
            lambda c: self._begin(c, self._database.checkpoints.load(c, self.name))
        )
        return self

    async def switch(self) -> bool:
        """See `Build.switch`: it is in its place already."""
        return True

    async def problem(self) -> str | None:
        """See `Subscriber.problem`."""
        found = await self._load()
        return None if found is None else found.problem

    async def note(self, problem: str) -> None:
        """See `Subscriber.note`."""
        await self._database.write(
            lambda c: self._database.checkpoints.note(c, self.name, problem)
        )

    async def _load(self) -> Checkpoint | None:
        return await self._database.read(lambda c: self._database.checkpoints.load(c, self.name))

    def _move(self, connection: Connection, after: int, position: int) -> None:
        checkpoints = self._database.checkpoints
        checkpoints.move(connection, self.name, self._shape, after, position)

    def _prepare(self, connection: Connection) -> None:
        """Make sure that the tables are there, and empty if other code has filled them."""
        found = self._database.checkpoints.load(connection, self.name)
        if found is None or found.shape != self._shape:
            self._begin(connection, found)
        for table in self._tables:
            table.create(connection, checkfirst=True)

    def _begin(self, connection: Connection, found: Checkpoint | None) -> None:
        """Start at the first event, with empty tables."""
        same = found is not None and _layout(found.shape) == _layout(self._shape)
        for table in reversed(self._tables):
            if same:
                connection.execute(table.delete())
            else:
                table.drop(connection, checkfirst=True)
        for table in self._tables:
            table.create(connection, checkfirst=True)
        generation = 1 if found is None else found.generation + 1
        beginning = Checkpoint(0, self._shape, generation)
        self._database.checkpoints.put(connection, self.name, beginning)


def _layout(shape: str) -> str:
    return shape.partition(":")[0]


def _as_text(table: Table) -> str:
    """All that the database is told about ``table``."""
    indexes = sorted(str(CreateIndex(index)) for index in table.indexes)
    return f"{CreateTable(table)}{indexes}"
