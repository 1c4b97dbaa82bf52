"""Answering questions about the rows of one table."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    false,
    func,
    literal,
    or_,
    select,
)

from whence.backends.sql.columns import folded
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.tables import POSITION, RowTable, search_column
from whence.queries import Selection
from whence.readmodels import ReadModel, ReadModelSpec

R = TypeVar("R", bound=ReadModel)

_MOST_LISTED = 10_000
"""Values of one column in one question: databases allow only so many parameters."""


class RowReader(Generic[R]):
    """A table of a read model's rows, as a source of answers. See `whence.queries.Source`."""

    def __init__(self, spec: ReadModelSpec[R], table: Table, database: ReadDatabase) -> None:
        self.spec, self.table = spec, table
        self._database = database

    @cached_property
    def _rows(self) -> RowTable[R]:
        return RowTable(self.spec, self.table, self._database.engine.dialect)

    async def get(self, key: object) -> R | None:
        """See `Source.get`."""
        rows = await self._database.read(lambda c: self._rows.load(c, [key]))
        return rows.get(key)

    async def placed(self, key: object) -> tuple[R, int] | None:
        """The row of ``key``, and the position of the last event in it."""
        columns = [*self._columns, self.table.c[POSITION]]
        statement = select(*columns).where(self._column(self.spec.key) == key)
        found = await self._database.read(lambda c: c.execute(statement).one_or_none())
        return None if found is None else (self._row(found[:-1]), found[-1])

    async def fetch(self, selection: Selection) -> list[R]:
        """See `Source.fetch`."""
        statement = self.select(selection)

        def look(connection: Connection) -> list[R]:
            return [self._row(found) for found in connection.execute(statement)]

        return await self._database.read(look)

    async def count(self, selection: Selection) -> int:
        """See `Source.count`."""
        statement = select(func.count()).select_from(self.select(selection).subquery())
        return await self._database.read(lambda c: int(c.execute(statement).scalar_one()))

    def select(self, selection: Selection) -> Select[Any]:
        """See `Source.select`."""
        statement = select(*self._columns)
        for name, value in selection.equal:
            statement = statement.where(self._equals(name, value))
        for name, beginning in selection.beginnings:
            statement = statement.where(self._begins(name, beginning))
        statement = statement.where(*map(_condition, selection.conditions))
        if selection.beyond:
            statement = statement.where(self._beyond(selection))
        for name in selection.order:
            statement = statement.order_by(self._ordered(name))
        return statement.limit(selection.limit).offset(selection.offset)

    @property
    def _columns(self) -> list[ColumnElement[Any]]:
        """Those of `_row`."""
        return [*(self.table.c[column.name] for column in self.spec.columns), self.table.c.version]

    def _row(self, values: Sequence[Any]) -> R:
        return self.spec.cls(*values[:-1], version=values[-1])

    def _column(self, name: str) -> ColumnElement[Any]:
        return self.table.c[self.spec.column(name).name]

    def _equals(self, name: str, value: object) -> ColumnElement[bool]:
        """The value itself, or any of several; NULL equals nothing, so None is asked for."""
        column = self._column(name)
        if not isinstance(value, tuple):
            return column.is_(None) if value is None else column == value
        several = cast("tuple[object, ...]", value)
        if len(several) > _MOST_LISTED:
            raise ValueError(f"{name}: {len(several)} values are more than {_MOST_LISTED}")
        found = column.in_([one for one in several if one is not None])
        return or_(found, column.is_(None)) if None in several else found

    def _begins(self, name: str, beginning: str) -> ColumnElement[bool]:
        """A range of the folded text: an index finds it, and nothing has to be escaped."""
        column, low = self.table.c[search_column(name)], folded(beginning)
        return and_(column >= low, column < low + "\U0010ffff")

    def _ordered(self, name: str) -> ColumnElement[Any]:
        """``-`` for the largest first. None is the smallest in every database."""
        column, nullable = self._ordering(name)
        ordered = column.desc() if name.startswith("-") else column.asc()
        if nullable and self._database.engine.dialect.name == "postgresql":
            return ordered.nulls_last() if name.startswith("-") else ordered.nulls_first()
        return ordered

    def _beyond(self, selection: Selection) -> ColumnElement[bool]:
        """Rows after the one whose values of the ordering columns are ``beyond``."""
        ways: list[ColumnElement[bool]] = []
        same: list[ColumnElement[bool]] = []
        for name, value in zip(selection.order, selection.beyond, strict=True):
            column, nullable = self._ordering(name)
            place = literal(value, column.type)
            further: ColumnElement[bool]
            if value is None:
                further = false() if name.startswith("-") else column.is_not(None)
            elif name.startswith("-"):
                further = or_(column < place, column.is_(None)) if nullable else column < place
            else:
                further = column > place
            ways.append(and_(*same, further))
            same.append(column.is_(None) if value is None else column == place)
        return or_(*ways)

    def _ordering(self, name: str) -> tuple[ColumnElement[Any], bool]:
        """A column of an order, and whether it may be None."""
        column = self.spec.column(name.removeprefix("-"))
        return self.table.c[column.name], column.nullable


def _condition(said: object) -> ColumnElement[bool]:
    """A condition of SQLAlchemy's, and nothing that only looks like one."""
    if isinstance(said, ColumnElement):
        return cast("ColumnElement[bool]", said)
    raise TypeError(
        f"{said!r} is no condition: write where(column=value), or with SQLAlchemy"
        " where(rows.table.c.balance > 100)"
    )
