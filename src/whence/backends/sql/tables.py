"""The table of a read model, and the quickest way to load and store many of its rows."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, Column, Connection, Dialect, Index, MetaData, Table

from whence.backends.sql.columns import folded, search_type, sql_type
from whence.readmodels import ReadModel, ReadModelSpec

R = TypeVar("R", bound=ReadModel)

Convert = Callable[[Any], Any] | None

POSITION = "whence_position"
"""The column that says which event was the last in a row."""
_AT_ONCE = 500
"""Keys in one select: databases allow only so many parameters."""


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


class RowTable(Generic[R]):
    """Loads and stores rows by the hundred with plain SQL that every database understands.

    Statements are written once and run on the driver with tuples: building them with SQLAlchemy
    for each batch would cost more than the database does.
    """

    def __init__(self, spec: ReadModelSpec[R], table: Table, dialect: Dialect) -> None:
        self.table = table
        self._cls = spec.cls
        self._mark = "?" if dialect.paramstyle == "qmark" else "%s"
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
            name: types[name].dialect_impl(dialect).result_processor(dialect, None)
            for name in names
        }
        self._from_db = [(i, of) for i, name in enumerate(names) if (of := from_db[name])]
        self._key_place = names.index(spec.key)
        quote = dialect.identifier_preparer
        written = [*others, "version", *map(search_column, searched), POSITION, spec.key]
        columns = [quote.format_column(table.c[name]) for name in written]
        target, key = quote.format_table(table), columns[-1]
        marks = ", ".join(self._mark for _ in columns)
        changes = ", ".join(f"{name} = {self._mark}" for name in columns[:-1])
        read = ", ".join(quote.format_column(table.c[name]) for name in [*names, "version"])
        self._insert = f"insert into {target} ({', '.join(columns)}) values ({marks})"
        self._update = f"update {target} set {changes} where {key} = {self._mark}"
        self._delete = f"delete from {target} where {key} = {self._mark}"
        self._select = f"select {read} from {target} where {key} in "

    def load(self, connection: Connection, keys: Sequence[Any]) -> dict[Any, R | None]:
        """The rows that there are of ``keys``."""
        rows: dict[Any, R | None] = {}
        cursor = connection.connection.cursor()
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            to = self._key_to_db
            values = tuple(some) if to is None else tuple(to(key) for key in some)
            marks = ", ".join([self._mark] * len(values))
            cursor.execute(f"{self._select}({marks})", values)
            for row in map(self.row, cursor.fetchall()):
                rows[self._get_key(row)] = row
        cursor.close()
        return rows

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
        new: list[tuple[Any, ...]] = []
        old: list[tuple[Any, ...]] = []
        gone: list[tuple[Any, ...]] = []
        for key, position in changed.items():
            row, value = rows[key], key if self._key_to_db is None else self._key_to_db(key)
            if row is not None:
                (old if key in existed else new).append((*self._values(row), position, value))
            elif key in existed:
                gone.append((value,))
        cursor = connection.connection.cursor()
        for statement, some in ((self._delete, gone), (self._insert, new), (self._update, old)):
            if some:
                cursor.executemany(statement, some)
        cursor.close()

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
