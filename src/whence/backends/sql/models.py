"""A read model in a SQL database: kept up to date page by page, and rebuilt."""

from functools import cached_property
from typing import Generic, TypeVar

from sqlalchemy import Connection, Table

from whence.backends.sql.checkpoints import Checkpoint
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.reader import RowReader
from whence.backends.sql.tables import RowTable, table_of
from whence.codec import Codec
from whence.envelope import Recorded
from whence.folds import Fold, Stuck
from whence.readmodels import ReadModel, ReadModelSpec
from whence.store import ALL, EventQuery, Page
from whence.subscribers import Build, Finished

R = TypeVar("R", bound=ReadModel)


class _Table(Generic[R]):
    """One table of rows and its checkpoint, which change together."""

    query: EventQuery = ALL
    """All of it: an event that the application does not know must be seen to be reported."""

    def __init__(
        self, spec: ReadModelSpec[R], name: str, database: ReadDatabase, fold: Fold[R]
    ) -> None:
        self.spec, self.name = spec, name
        self._database, self._fold = database, fold

    @cached_property
    def table(self) -> Table:
        """The table, for statements of your own."""
        return table_of(self.spec, self.name, self.name)

    @cached_property
    def _rows(self) -> RowTable[R]:
        return RowTable(self.spec, self.table, self._database.engine.dialect)

    async def checkpoint(self) -> int:
        """See `Follower.checkpoint`."""
        found = await self._load()
        return 0 if found is None else found.position

    async def apply(self, page: Page, after: int) -> bool:
        """See `Follower.apply`."""
        concerning = self._fold.concerning(page.events)
        if not concerning:
            return False
        try:
            await self._database.write(lambda c: self._write(c, concerning, after, page.scanned))
        except Stuck as stuck:
            raise stuck.error from stuck.error.__cause__
        return True

    async def save(self, position: int, after: int) -> None:
        """See `Follower.save`."""
        await self._database.write(lambda c: self._move(c, after, position))

    def create(self, connection: Connection, generation: int) -> None:
        """Make the table anew, empty, with a checkpoint at the beginning of the log."""
        self.drop(connection)
        # Indexes keep their names when a table is renamed: each generation has its own.
        table_of(self.spec, self.name, f"{self.spec.name}_{generation}").create(connection)
        beginning = Checkpoint(0, self.spec.shape, generation)
        self._database.checkpoints.put(connection, self.name, beginning)

    def drop(self, connection: Connection) -> None:
        """Remove the table and its checkpoint."""
        self.table.drop(connection, checkfirst=True)
        self._database.checkpoints.drop(connection, self.name)

    async def _load(self) -> Checkpoint | None:
        return await self._database.read(lambda c: self._database.checkpoints.load(c, self.name))

    def _move(self, connection: Connection, after: int, position: int) -> None:
        checkpoints = self._database.checkpoints
        checkpoints.move(connection, self.name, self.spec.shape, after, position)

    def _write(
        self, connection: Connection, events: list[Recorded], after: int, scanned: int
    ) -> None:
        self._move(connection, after, scanned)
        steps = self._fold.read(events)
        keys = list({key: None for step in steps for key in step[3]})
        rows = self._rows.load(connection, keys)
        existed = set(rows)
        self._rows.store(connection, rows, self._fold.apply(steps, rows), existed)


class _NextTable(_Table[R]):
    """The table that will replace a live one. See `Build`."""

    in_place = False

    def __init__(self, live: "SqlReadModel[R]", database: ReadDatabase, fold: Fold[R]) -> None:
        super().__init__(live.spec, f"{live.name}__next", database, fold)
        self._live = live

    async def checkpoint(self) -> int:
        """See `Build.checkpoint`."""
        found = await self._load()
        if found is None:
            raise Finished(self.name)
        return found.position

    async def switch(self) -> bool:
        """See `Build.switch`. Queries see the old rows until they see the new ones."""
        return await self._database.write(self._switch)

    def _switch(self, connection: Connection) -> bool:
        checkpoints = self._database.checkpoints
        new = checkpoints.load(connection, self.name)
        old = checkpoints.load(connection, self._live.name)
        if new is None:
            raise Finished(self.name)
        if old is not None and old.position > new.position:
            return False
        checkpoints.drop(connection, self.name)
        checkpoints.put(connection, self._live.name, new)
        self._live.table.drop(connection, checkfirst=True)
        quote = connection.dialect.identifier_preparer.quote
        connection.exec_driver_sql(
            f"alter table {quote(self.name)} rename to {quote(self._live.name)}"
        )
        return True


class SqlReadModel(_Table[R]):
    """One read model in one database: a `Subscriber` to the log."""

    def __init__(self, spec: ReadModelSpec[R], database: ReadDatabase, codec: Codec) -> None:
        super().__init__(spec, spec.name, database, Fold(spec, codec))
        self._next = _NextTable(self, database, self._fold)

    @cached_property
    def reader(self) -> RowReader[R]:
        """Who answers questions about the rows."""
        return RowReader(self.spec, self.table, self._database)

    async def start(self) -> Build | None:
        """See `Subscriber.start`."""
        return self._next if await self._database.write(self._prepare) else None

    async def rebuild(self) -> Build:
        """See `Subscriber.rebuild`."""
        await self._database.write(self._begin)
        return self._next

    async def problem(self) -> str | None:
        """See `Subscriber.problem`."""
        found = await self._load()
        return None if found is None else found.problem

    async def note(self, problem: str) -> None:
        """See `Subscriber.note`."""
        await self._database.write(
            lambda c: self._database.checkpoints.note(c, self.name, problem)
        )

    def _prepare(self, connection: Connection) -> bool:
        """Make sure that there is a table; say whether another one must be built."""
        checkpoints, shape = self._database.checkpoints, self.spec.shape
        live = checkpoints.load(connection, self.name)
        if live is None or live.shape.partition(":")[0] != self.spec.layout:
            # Rows of another layout cannot answer: begin again in place.
            self.create(connection, 1 if live is None else live.generation + 1)
            self._next.drop(connection)
            return False
        building = checkpoints.load(connection, self._next.name)
        if building is not None and building.shape == shape:
            return True
        if live.shape == shape:
            self._next.drop(connection)
            return False
        self._next.create(connection, live.generation + 1)
        return True

    def _begin(self, connection: Connection) -> None:
        live = self._database.checkpoints.load(connection, self.name)
        if live is None:
            self.create(connection, 1)
        self._next.create(connection, 2 if live is None else live.generation + 1)
