"""The table of a read model, and its rows on their way to it and back."""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import BigInteger, Column, Connection, Dialect, Index, MetaData, Table
from sqlalchemy.exc import DBAPIError

from whence.backends.sql.bulk import Names, statements
from whence.backends.sql.columns import check_fits, folded, from_database, search_type, sql_type
from whence.parking import Checking
from whence.readmodels import ReadModel, ReadModelSpec

R = TypeVar("R", bound=ReadModel)

Convert = Callable[[Any], Any] | None

POSITION = "whence_position"
"""The column that says which event was the last in a row."""


def search_column(name: str) -> str:
    """The column beside ``name`` that type-ahead looks into."""
    return f"{name}_folded"


def table_of(spec: ReadModelSpec[Any], name: str, tag: str) -> Table:
    """The table ``name`` for the rows of ``spec``; ``tag`` makes its indexes' names unique."""
    table = Table(name, MetaData())
    for column in spec.columns:
        key = column.name == spec.key
        kind = sql_type(column, key=key)
        table.append_column(Column(column.name, kind, primary_key=key, nullable=column.nullable))
        if column.searchable:
            search = search_column(column.name)
            table.append_column(Column(search, search_type(), nullable=column.nullable))
            Index(f"ix_{tag}_{search}", table.c[search])
        elif column.indexed and not key:
            Index(f"ix_{tag}_{column.name}", table.c[column.name])
    table.append_column(Column("version", BigInteger, nullable=False))
    table.append_column(Column(POSITION, BigInteger, nullable=False))
    return table


class Loading(Checking[R], Protocol[R]):
    """Rows that are loaded and stored by the hundred."""

    def load(self, connection: Connection, keys: Sequence[Any]) -> dict[Any, R | None]:
        """The rows that there are of ``keys``."""
        ...

    def store(
        self,
        connection: Connection,
        rows: Mapping[Any, R | None],
        changed: Mapping[Any, int],
        existed: set[Any],
    ) -> None:
        """Write the ``changed`` rows, each once; ``existed`` are the keys that have a row."""
        ...


class RowTable(Generic[R]):
    """Loads and stores rows by the hundred."""

    def __init__(self, spec: ReadModelSpec[R], table: Table, dialect: Dialect) -> None:
        self.table = table
        self._cls, self._spec, self._dialect = spec.cls, spec, dialect
        names = [column.name for column in spec.columns]
        others = [name for name in names if name != spec.key]
        searched = [column.name for column in spec.columns if column.searchable]
        self._get = attrgetter(*others, "version") if others else _version_only
        self._get_key = attrgetter(spec.key)
        self._get_searched = [attrgetter(name) for name in searched]
        types = {column.name: column.type for column in table.columns}
        to_db: Mapping[str, Convert] = {
            name: types[name].dialect_impl(dialect).bind_processor(dialect) for name in names
        }
        self._key_to_db = to_db[spec.key]
        self._to_db = [(i, to) for i, name in enumerate(others) if (to := to_db[name])]
        from_db: Mapping[str, Convert] = {
            name: from_database(types[name], dialect) for name in names
        }
        self._from_db = [(i, of) for i, name in enumerate(names) if (of := from_db[name])]
        written = [*others, "version", *map(search_column, searched), POSITION, spec.key]
        self._statements = statements(Names(table, [*names, "version"], written, dialect))

    def check_row(self, row: R) -> None:
        """See `Checking.check_row`."""
        for column in self._spec.columns:
            check_fits(column, getattr(row, column.name), self._dialect)

    def check_key(self, key: Any) -> None:
        """See `Checking.check_key`."""
        check_fits(self._spec.key_column, key, self._dialect, key=True)

    def load(self, connection: Connection, keys: Sequence[Any]) -> dict[Any, R | None]:
        """The rows that there are of ``keys``."""
        with _cursor(connection) as cursor:
            found = self._statements.load(cursor, self._keys(keys))
        return self._by_key(found)

    def row(self, values: tuple[Any, ...]) -> R:
        """The row that the database holds as ``values``, not yet converted."""
        if self._from_db:
            fields = list(values)
            for place, convert in self._from_db:
                fields[place] = convert(fields[place])
            values = tuple(fields)
        row = self._cls(*values[:-1])
        row.version = values[-1]
        return row

    def store(
        self,
        connection: Connection,
        rows: Mapping[Any, R | None],
        changed: Mapping[Any, int],
        existed: set[Any],
    ) -> None:
        """Write the ``changed`` rows, each once; ``existed`` are the keys that have a row."""
        new, old, gone = self._sorted(rows, changed, existed)
        with _cursor(connection) as cursor:
            if gone:
                self._statements.delete(cursor, gone)
            self._statements.store(cursor, new, old)

    def _keys(self, keys: Sequence[Any]) -> Sequence[Any]:
        """As the database holds them."""
        to = self._key_to_db
        return keys if to is None else [to(key) for key in keys]

    def _by_key(self, found: Iterable[tuple[Any, ...]]) -> dict[Any, R | None]:
        return {self._get_key(row): row for row in map(self.row, found)}

    def _sorted(
        self, rows: Mapping[Any, R | None], changed: Mapping[Any, int], existed: Collection[Any]
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[Any]]:
        """The values of rows that are new, of those that are there, and the keys of the gone."""
        new: list[tuple[Any, ...]] = []
        old: list[tuple[Any, ...]] = []
        gone: list[Any] = []
        for key, value in zip(changed, self._keys([*changed]), strict=True):
            row = rows[key]
            if row is not None:
                written = (*self._values(row), changed[key], value)
                (old if key in existed else new).append(written)
            elif key in existed:
                gone.append(value)
        return new, old, gone

    def _values(self, row: R) -> tuple[Any, ...]:
        values = self._get(row)
        if self._to_db:
            converted = list(values)
            for place, convert in self._to_db:
                converted[place] = convert(converted[place])
            values = tuple(converted)
        if self._get_searched:
            texts = [get(row) for get in self._get_searched]
            return (*values, *(None if text is None else folded(text) for text in texts))
        return values


def _version_only(row: ReadModel) -> tuple[int]:
    return (row.version,)


@contextmanager
def _cursor(connection: Connection) -> Generator[Any]:
    """A cursor of the driver itself, whose errors are those of SQLAlchemy all the same."""
    dialect, cursor = connection.dialect, connection.connection.cursor()
    base = dialect.loaded_dbapi.Error
    try:
        yield cursor
    except base as error:
        lost = dialect.is_disconnect(error, connection.connection, cursor)
        if lost:
            connection.invalidate(error)
        raise DBAPIError.instance(
            None, None, error, base, connection_invalidated=lost, dialect=dialect
        ) from error
    cursor.close()
