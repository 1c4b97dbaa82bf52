"""A read model in a SQL database: kept up to date page by page, and asked."""

from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Select, Table, func, select

from whence.backends.sql.checkpoints import Checkpoint, checkpoints
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.tables import RowTable, table_of
from whence.codec import Codec
from whence.folds import Fold, Stuck
from whence.queries import Selection
from whence.readmodels import ReadModel, ReadModelSpec
from whence.store import ALL, EventQuery, Page

R = TypeVar("R", bound=ReadModel)


class SqlReadModel(Generic[R]):
    """One read model in one database: a `Subscriber` to the log and a source of rows."""

    query: EventQuery = ALL
    """All of it: an event that the application does not know must be seen to be reported."""

    def __init__(self, spec: ReadModelSpec[R], database: ReadDatabase, codec: Codec) -> None:
        self.spec = spec
        self.name = spec.name
        self.table: Table = table_of(spec, spec.name, spec.name)
        self._database = database
        self._fold = Fold(spec, codec)

    async def start(self) -> int:
        """See `Subscriber.start`."""
        position = await self._database.write(self._prepare)
        self._rows = RowTable(self.spec, self.table, self._database.engine.dialect)
        return position

    async def checkpoint(self) -> int:
        """See `Subscriber.checkpoint`."""
        found = await self._database.read(lambda c: checkpoints.load(c, self.name))
        return 0 if found is None else found.position

    async def apply(self, page: Page, after: int) -> bool:
        """See `Subscriber.apply`."""
        try:
            steps = self._fold.read(page.events)
            if not steps:
                return False
            await self._database.write(lambda c: self._write(c, steps, after, page.scanned))
        except Stuck as stuck:
            raise stuck.error from stuck.error.__cause__
        return True

    async def save(self, position: int, after: int) -> None:
        """See `Subscriber.save`."""
        await self._database.write(
            lambda c: checkpoints.move(c, self.name, self.spec.shape, after, position)
        )

    def _write(self, connection: Connection, steps: Any, after: int, scanned: int) -> None:
        checkpoints.move(connection, self.name, self.spec.shape, after, scanned)
        keys = list({key: None for step in steps for key in step.keys})
        rows = self._rows.load(connection, keys)
        existed = set(rows)
        changed = self._fold.apply(steps, rows)
        self._rows.store(connection, rows, changed, existed)

    def _prepare(self, connection: Connection) -> int:
        found = checkpoints.load(connection, self.name)
        if found is None or found.shape != self.spec.shape:
            self.table.drop(connection, checkfirst=True)
            self.table.create(connection)
            found = Checkpoint(0, self.spec.shape)
            checkpoints.put(connection, self.name, found)
        return found.position

    # -- a source of rows

    async def get(self, key: object) -> R | None:
        """See `Source.get`."""
        rows = await self._database.read(lambda c: self._rows.load(c, [key]))
        return rows.get(key)

    async def fetch(self, selection: Selection) -> list[R]:
        """See `Source.fetch`."""
        statement = self.select(selection)
        return await self._database.read(
            lambda c: [self.spec.cls(*row[:-1], version=row[-1]) for row in c.execute(statement)]
        )

    async def count(self, selection: Selection) -> int:
        """See `Source.count`."""
        statement = select(func.count()).select_from(self.select(selection).subquery())
        return await self._database.read(lambda c: c.execute(statement).scalar_one())

    def select(self, selection: Selection) -> Select[Any]:
        """See `Source.select`."""
        table = self.table
        statement = select(
            *(table.c[column.name] for column in self.spec.columns), table.c.version
        )
        for name, value in selection.equal:
            statement = statement.where(table.c[name] == value)
        statement = statement.where(*selection.conditions)
        for name in selection.order:
            column = table.c[name.removeprefix("-")]
            statement = statement.order_by(column.desc() if name.startswith("-") else column)
        return statement.limit(selection.limit).offset(selection.offset)
