"""The quickest way to load and store many rows, in plain SQL, for each kind of database.

Statements are written once and run on the driver with tuples: building them with SQLAlchemy for
each batch would cost more than the database does.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import Dialect, Table

from whence.backends.sql.dialects import (
    is_mysql,
    is_postgres,
    is_sqlite,
    mark_of,
    marks_of,
)

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Any]]
"""What to ask a database, with its values, for whoever asks it in a way of his own."""

_AT_ONCE = 500
"""Keys in one select: databases allow only so many parameters."""
_WORTH_A_COPY = 100
"""Rows from which on a copy is quicker than an insert."""


class Statements(Protocol):
    """Asks and changes one table. Rows are as the driver takes them, the key last."""

    def load(self, cursor: Any, keys: Sequence[Any]) -> list[Row]:
        """The rows that there are of ``keys``."""
        ...

    def store(self, cursor: Any, new: list[Row], old: list[Row]) -> None:
        """Write rows: those that are not there yet, and those that are."""
        ...

    def delete(self, cursor: Any, keys: list[Any]) -> None:
        """Remove the rows of ``keys``."""
        ...

    def loading(self, keys: Sequence[Any]) -> Iterable[Statement]:
        """What `load` asks."""
        ...

    def storing(self, rows: Sequence[Row]) -> Iterable[Statement]:
        """What writes rows, whether they are there or not."""
        ...

    def deleting(self, keys: list[Any]) -> Iterable[Statement]:
        """What removes the rows of ``keys``."""
        ...


class Names:
    """The table's and its columns' names, quoted."""

    def __init__(
        self, table: Table, read: Sequence[str], written: Sequence[str], dialect: Dialect
    ) -> None:
        quote = dialect.identifier_preparer
        self.dialect = dialect
        self.table = quote.format_table(table)
        self.written = [quote.format_column(table.c[name]) for name in written]
        self.key = self.written[-1]
        self.read = ", ".join(quote.format_column(table.c[name]) for name in read)
        self.columns = [table.c[name] for name in written]

    @cached_property
    def insert(self) -> str:
        """Up to the values."""
        return f"insert into {self.table} ({', '.join(self.written)})"

    def changes(self, value: Callable[[str], str]) -> str:
        """What an update sets: every column but the key."""
        return ", ".join(f"{name} = {value(name)}" for name in self.written[:-1])


class PlainStatements:
    """What every database understands."""

    def __init__(self, names: Names) -> None:
        self._dialect = names.dialect
        self._insert: str
        mark = mark_of(names.dialect)
        self._select = f"select {names.read} from {names.table} where {names.key} in "
        self._insert = f"{names.insert} values ({marks_of(names.dialect, len(names.written))})"
        changes = names.changes(lambda _: mark)
        self._update = f"update {names.table} set {changes} where {names.key} = {mark}"
        self._delete = f"delete from {names.table} where {names.key} = {mark}"

    def load(self, cursor: Any, keys: Sequence[Any]) -> list[Row]:
        """See `Statements.load`."""
        found: list[Row] = []
        for statement, values in self.loading(keys):
            cursor.execute(statement, values)
            found += cursor.fetchall()
        return found

    def store(self, cursor: Any, new: list[Row], old: list[Row]) -> None:
        """See `Statements.store`."""
        if new:
            cursor.executemany(self._insert, new)
        if old:
            cursor.executemany(self._update, old)

    def delete(self, cursor: Any, keys: list[Any]) -> None:
        """See `Statements.delete`."""
        cursor.executemany(self._delete, [(key,) for key in keys])

    def loading(self, keys: Sequence[Any]) -> Iterable[Statement]:
        """See `Statements.loading`."""
        for start in range(0, len(keys), _AT_ONCE):
            some = tuple(keys[start : start + _AT_ONCE])
            yield f"{self._select}({marks_of(self._dialect, len(some))})", some

    def storing(self, rows: Sequence[Row]) -> Iterable[Statement]:
        """See `Statements.storing`."""
        for row in rows:
            yield self._delete, row[-1:]
            yield self._insert, row

    def deleting(self, keys: list[Any]) -> Iterable[Statement]:
        """See `Statements.deleting`."""
        return ((self._delete, (key,)) for key in keys)


class SqliteStatements(PlainStatements):
    """SQLite writes what is there more quickly if it is told that it may not be."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        changes = names.changes(lambda name: f"excluded.{name}")
        self._insert = f"{self._insert} on conflict ({names.key}) do update set {changes}"

    def store(self, cursor: Any, new: list[Row], old: list[Row]) -> None:
        """See `Statements.store`."""
        if new or old:
            cursor.executemany(self._insert, [*new, *old])

    def storing(self, rows: Sequence[Row]) -> Iterable[Statement]:
        """See `Statements.storing`."""
        return ((self._insert, row) for row in rows)


class MysqlStatements(PlainStatements):
    """MySQL's and MariaDB's drivers send many inserts at once, but updates one by one."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        changes = names.changes(lambda name: f"values({name})")
        self._insert = f"{self._insert} on duplicate key update {changes}"

    def store(self, cursor: Any, new: list[Row], old: list[Row]) -> None:
        """See `Statements.store`."""
        if new or old:
            cursor.executemany(self._insert, [*new, *old])


class PostgresStatements:
    """PostgreSQL takes whole columns as arrays, and many new rows as a copy."""

    def __init__(self, names: Names) -> None:
        kinds = [f"{_kind(column, names.dialect)}[]" for column in names.columns]
        arrays = ", ".join(f"%s::{kind}" for kind in kinds)
        keys = f"where {names.key} = any(%s::{kinds[-1]})"
        changes = names.changes(lambda name: f"excluded.{name}")
        self._select = f"select {names.read} from {names.table} {keys}"
        self._upsert = (
            f"{names.insert} select * from unnest({arrays})"
            f" on conflict ({names.key}) do update set {changes}"
        )
        self._delete = f"delete from {names.table} {keys}"
        self._copy = f"copy {names.table} ({', '.join(names.written)}) from stdin"

    def load(self, cursor: Any, keys: Sequence[Any]) -> list[Row]:
        """See `Statements.load`."""
        found: list[Row] = []
        for statement in self.loading(keys):
            found += cursor.execute(*statement).fetchall()
        return found

    def store(self, cursor: Any, new: list[Row], old: list[Row]) -> None:
        """See `Statements.store`."""
        if len(new) < _WORTH_A_COPY:
            old = [*new, *old]
        else:
            with cursor.copy(self._copy) as copy:
                for row in new:
                    copy.write_row(row)
        for statement in self.storing(old):
            cursor.execute(*statement)

    def delete(self, cursor: Any, keys: list[Any]) -> None:
        """See `Statements.delete`."""
        for statement in self.deleting(keys):
            cursor.execute(*statement)

    def loading(self, keys: Sequence[Any]) -> Iterable[Statement]:
        """See `Statements.loading`."""
        return [(self._select, (list(keys),))] if keys else []

    def storing(self, rows: Sequence[Row]) -> Iterable[Statement]:
        """See `Statements.storing`."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        return [(self._upsert, columns)] if rows else []

    def deleting(self, keys: list[Any]) -> Iterable[Statement]:
        """See `Statements.deleting`."""
        return [(self._delete, (keys,))] if keys else []


def statements(names: Names) -> Statements:
    """Those for its kind of database."""
    if is_postgres(names.dialect):
        return PostgresStatements(names)
    if is_sqlite(names.dialect):
        return SqliteStatements(names)
    return MysqlStatements(names) if is_mysql(names.dialect) else PlainStatements(names)


def _kind(column: Any, dialect: Dialect) -> str:
    """The type of a column, without its collation."""
    kind: str = column.type.dialect_impl(dialect).compile(dialect)
    return kind.partition(" COLLATE ")[0]
