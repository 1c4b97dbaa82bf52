"""The schema: numbered scripts, each run once, all that are due in one transaction.

A migration only adds: processes that were started before it go on beside it.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from importlib.resources import files

from psycopg import Error

from whence.backends.postgres.address import Address
from whence.backends.postgres.connecting import Connection, closed, connect
from whence.backends.postgres.failures import BLOCKED, OLDEST, translated
from whence.errors import DamagedStore, NewerSchema, ReadOnlyStore, StoreBusy, StoreError

# Two processes never run one script: the second waits, and then finds it done.
_LOCK = "select pg_advisory_xact_lock(6289412735128174593)"
# Whoever stands in line for a table keeps all others waiting behind him, appends too. So a
# migration soon leaves the line, and comes again.
_POLITE = "set local lock_timeout = '400ms'; set local statement_timeout = 0"
_PATIENCE = 60.0
"""Seconds that an upgrade tries to have its turn."""

# It asks the tables of the catalogue: functions such as to_regclass may answer from what the
# session knew before it waited for the lock (behind a pooler a session is not new).
_SERVER = b"""
select pg_is_in_recovery(), current_setting('transaction_read_only')::bool,
       current_setting('server_encoding'),
       exists (select from pg_namespace where nspname = %b),
       exists (select from pg_tables where schemaname = %b and tablename = 'migrations')
"""
_DONE = "select coalesce(max(number), 0) from whence.migrations"
_BEHIND = "select max(position), (select last_value from whence.positions) from whence.events"
_RECORDS = """create table whence.migrations (
    number integer     not null primary key,
    name   text        not null,
    at     timestamptz not null default now()
)"""


@dataclass(frozen=True, slots=True)
class Script:
    """A migration."""

    number: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """How far the schema of a database is."""

    exists: bool
    """Whether there is a schema of that name."""
    version: int | None
    """The number of the last migration that was run; None if none was ever recorded."""
    newest: int
    """The number of the last migration that this program knows."""

    @property
    def pending(self) -> list[Script]:
        """What is to be run."""
        return [script for script in scripts() if script.number > (self.version or 0)]


def scripts() -> list[Script]:
    """Every migration, in order."""
    found = files(__package__ or "").joinpath("migrations").iterdir()
    named = sorted((s.name, s.read_text()) for s in found if s.name.endswith(".sql"))
    return [Script(int(name[:4]), name.removesuffix(".sql"), text) for name, text in named]


async def status(address: Address) -> Status:
    """How far the schema is. Raises the `StoreError` for what this program cannot use."""
    connection = await connect(address, "whence schema")
    try:
        return await _status(connection, address)
    except Error as error:
        raise translated(error, address.shown) from error
    finally:
        await closed(connection)


async def upgrade(address: Address) -> list[str]:
    """Run the migrations that have not been run; return their names."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return await _upgrade(address)
        except StoreBusy as error:
            blocked = isinstance(error.__cause__, Error) and error.__cause__.sqlstate == BLOCKED
            if not blocked or time.monotonic() > until:
                raise
        await asyncio.sleep(random.uniform(0.1, 0.5))


async def _upgrade(address: Address) -> list[str]:
    connection = await connect(address, "whence schema")
    try:
        async with connection.transaction():
            await connection.execute(_LOCK, prepare=False)
            await connection.execute(_POLITE, prepare=False)
            found = await _status(connection, address)
            for statement in _statements(address, found):
                await connection.execute(statement, prepare=False)
    except Error as error:
        raise translated(error, address.shown) from error
    finally:
        await closed(connection)
    return [script.name for script in found.pending]


def pending_sql(address: Address, found: Status) -> str:
    """What `upgrade` would run, for somebody who reads it or runs it by hand."""
    if not found.pending:
        return ""
    statements = [b"begin", _LOCK.encode(), *_statements(address, found), b"commit"]
    return b";\n\n".join(statements).decode() + ";\n"


async def prepare(address: Address) -> None:
    """Create the tables in a database that has none; raise unless they are up to date."""
    found = await status(address)
    if found.version is None:
        await upgrade(address)
    elif found.pending:
        raise StoreError(
            f"{address.shown} has schema version {found.version}, this version of whence needs"
            f" {found.newest}: run `whence db upgrade` (safe while older processes run)"
        )


async def _status(connection: Connection, address: Address) -> Status:
    release = connection.info.server_version // 10_000
    if release < OLDEST:
        raise StoreError(
            f"{address.shown} is PostgreSQL {release}: whence needs PostgreSQL {OLDEST} or newer"
        )
    cursor = await connection.execute(_SERVER, [address.schema] * 2)
    replica, reads, encoding, exists, recorded = (await cursor.fetchall())[0]
    if encoding != "UTF8":
        raise StoreError(
            f"{address.shown} is encoded in {encoding}, which cannot hold every text:"
            " create the database anew (createdb --encoding=UTF8 --template=template0)"
        )
    if replica:
        raise ReadOnlyStore(f"{address.shown} is a replica: a store must be the primary server")
    if reads:
        raise ReadOnlyStore(
            f"{address.shown} is set to read only: alter the role or the database to"
            " `set default_transaction_read_only = off`"
        )
    version = await _version(connection, address) if recorded else None
    if version:
        await _check_sequence(connection, address)
    return Status(exists, version, scripts()[-1].number)


async def _version(connection: Connection, address: Address) -> int:
    cursor = await connection.execute(address.sql(_DONE))
    (version,) = await cursor.fetchone() or (0,)
    newest = scripts()[-1].number
    if version > newest:
        raise NewerSchema(
            f"{address.shown} has schema version {version}, written by a later version of whence;"
            f" this one knows up to {newest}: upgrade whence"
        )
    return int(version)


async def _check_sequence(connection: Connection, address: Address) -> None:
    cursor = await connection.execute(address.sql(_BEHIND))
    last, drawn = await cursor.fetchone() or (None, 0)
    if last is not None and drawn < last:
        raise DamagedStore(
            f"{address.shown} was restored without its sequence: positions would be drawn from"
            f" {drawn}, but the log ends at {last}. Stop all that writes, then run"
            f" `select setval('{address.schema}.positions', {last})`"
        )


def _statements(address: Address, found: Status) -> list[bytes]:
    statements = [] if found.exists else [f"create schema {address.schema}".encode()]
    if found.version is None:
        statements.append(address.sql(_RECORDS))
    for script in found.pending:
        statements.append(address.sql(script.text.rstrip().rstrip(";")))
        statements.append(
            address.sql(
                "insert into whence.migrations (number, name)"
                f" values ({script.number}, '{script.name}')"
            )
        )
    return statements
