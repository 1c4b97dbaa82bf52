"""What each kind of database wants to be asked in its own words."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from sqlalchemy import Connection, Dialect

_DEFINING = 7_430_212_118
"""The number of the lock that whoever changes tables holds: any number that is only ours."""
SILENCE = "10s"
"""How long it may be silent meanwhile: what is suspended for longer loses the lock."""


def mark_of(dialect: Dialect) -> str:
    """How a parameter is written in plain SQL for the driver."""
    return "?" if dialect.paramstyle == "qmark" else "%s"


def marks_of(dialect: Dialect, count: int) -> str:
    """So many parameters, one after the other."""
    return ", ".join([mark_of(dialect)] * count)


def is_sqlite(dialect: Dialect) -> bool:
    """Whether it is SQLite: one writer at a time, on one machine."""
    return dialect.name == "sqlite"


def is_postgres(dialect: Dialect) -> bool:
    """Whether it is PostgreSQL, spoken to through psycopg."""
    return dialect.name == "postgresql" and dialect.driver == "psycopg"


def is_mysql(dialect: Dialect) -> bool:
    """Whether it is MySQL or MariaDB, where what changes a table ends the transaction."""
    return dialect.name in ("mysql", "mariadb")


@contextmanager
def defining(connection: Connection) -> Generator[None]:
    """Whoever changes tables does so alone, over all processes."""
    if is_postgres(connection.dialect):
        # Who has just started is no worker yet, so nobody else would find out that it is dead.
        _be_patient(connection, SILENCE)
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({_DEFINING})")
        yield
    elif is_mysql(connection.dialect):
        connection.exec_driver_sql(f"select get_lock('whence {_DEFINING}', 60)")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"select release_lock('whence {_DEFINING}')")
    else:  # SQLite's writers are alone anyway
        yield


def wait_elsewhere(connection: Connection) -> None:
    """From here on nothing may be heard of this transaction for as long as another store takes."""
    if is_postgres(connection.dialect):
        _be_patient(connection, "0")


def _be_patient(connection: Connection, silence: str) -> None:
    """Let the server end this session if nothing is heard of its open transaction for so long."""
    connection.exec_driver_sql(f"set local idle_in_transaction_session_timeout = '{silence}'")


def wait_briefly(connection: Connection) -> None:
    """From here on give up soon if somebody else holds a lock.

    A table is renamed when nobody reads it; whoever came after us would have to wait behind us,
    and we behind a slow reader.
    """
    if is_postgres(connection.dialect):
        connection.exec_driver_sql("set local lock_timeout = '200ms'")
    elif is_mysql(connection.dialect):
        connection.exec_driver_sql("set session lock_wait_timeout = 1")


def rename_tables(connection: Connection, changes: Iterable[tuple[str, str]]) -> None:
    """Rename tables one after the other, so that nobody sees the state in between.

    MySQL and MariaDB end the transaction with that: what belongs together is renamed first, in
    one statement, and what is kept about it is changed after it.
    """
    quote = connection.dialect.identifier_preparer.quote
    pairs = [(quote(old), quote(new)) for old, new in changes]
    if is_mysql(connection.dialect):
        renames = ", ".join(f"{old} to {new}" for old, new in pairs)
        connection.exec_driver_sql(f"rename table {renames}")
        return
    for old, new in pairs:
        connection.exec_driver_sql(f"alter table {old} rename to {new}")
