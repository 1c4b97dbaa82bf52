"""Answering questions about the rows of one table."""

from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select

from whence.backends.sql.columns import folded
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.tables import RowTable, search_column
from whence.errors import WiringError
from whence.queries import Selection
from whence.readmodels import ReadModel, ReadModelSpec

R = TypeVar("R", bound=ReadModel)


class RowReader(Generic[R]):
    """A table of a read model's rows, as a source of answers. See `whence.queries.Source`."""

    def __init__(self, spec: ReadModelSpec[R], table: Table, database: ReadDatabase) -> None:
        self.spec, self.table = spec, table
        self._database = database

    @property
    def key(self) -> str:
        """See `Source.key`."""
        return self.spec.key

    @cached_property
    def _rows(self) -> RowTable[R]:
        return RowTable(self.spec, self.table, self._database.engine.dialect)

    async def get(self, key: object) -> R | None:
        """See `Source.get`."""
        rows = await self._database.read(lambda c: self._rows.load(c, [key]))
        return rows.get(key)

    async def fetch(self, selection: Selection) -> list[R]:
        """See `Source.fetch`."""
        statement, cls = self.select(selection), self.spec.cls

        def look(connection: Connection) -> list[R]:
            found = connection.execute(statement)
            return [cls(*row[:-1], version=row[-1]) for row in found]

        return await self._database.read(look)

    async def count(self, selection: Selection) -> int:
        """See `Source.count`."""
        statement = select(func.count()).select_from(self.select(selection).subquery())
        return await self._database.read(lambda c: int(c.execute(statement).scalar_one()))

    def select(self, selection: Selection) -> Select[Any]:
        """See `Source.select`."""
        columns = [self.table.c[column.name] for column in self.spec.columns]
        statement = select(*columns, self.table.c.version)
        for name, value in selection.equal:
            statement = statement.where(self._column(name) == value)
        for name, beginning in selection.beginnings:
            statement = statement.where(self._begins(name, beginning))
        statement = statement.where(*selection.conditions)
        if selection.beyond:
            statement = statement.where(self._beyond(selection))
        for name in selection.order:
            column = self._column(name.removeprefix("-"))
            statement = statement.order_by(column.desc() if name.startswith("-") else column)
        return statement.limit(selection.limit).offset(selection.offset)

    def _column(self, name: str) -> ColumnElement[Any]:
        if name != "version":
            self.spec.column(name)
        return self.table.c[name]

    def _begins(self, name: str, beginning: str) -> ColumnElement[bool]:
        """A range of the folded text: an index finds it, and nothing has to be escaped."""
        if not self.spec.column(name).searchable:
            raise WiringError(
                f"{self.spec.where}: {name!r} cannot be searched by how it starts: declare it as"
                f" `{name}: Annotated[str, Index()]`"
            )
        column, low = self.table.c[search_column(name)], folded(beginning)
        return and_(column >= low, column < low + "\U0010ffff")

    def _beyond(self, selection: Selection) -> ColumnElement[bool]:
        """Rows after the one whose values of the ordering columns are ``beyond``."""
        ways: list[ColumnElement[bool]] = []
        same: list[ColumnElement[bool]] = []
        for name, value in zip(selection.order, selection.beyond, strict=True):
            column = self._column(name.removeprefix("-"))
            further = column < value if name.startswith("-") else column > value
            ways.append(and_(*same, further))
            same.append(column == value)
        return or_(*ways)
