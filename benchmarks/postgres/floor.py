"""The floor: plain psycopg, as a careful programmer writes it.

Prepared statements, parameters in binary, one row in each transaction, rows that hold the same
bytes. No command, no decision, no objects; and the order in which rows become visible is not
that of their positions, so whoever follows this log loses events.
"""

from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from benchmarks import bank
from benchmarks.backend import Balance, Read
from benchmarks.floor import Row, rows
from benchmarks.harness import Sample, Stopwatch, Work
from benchmarks.postgres import databases

Connection = psycopg.Connection[tuple[Any, ...]]

_LOG: LiteralString = """
create table events (
    position bigint not null generated always as identity primary key,
    stream   text   collate "C" not null,
    version  bigint not null,
    type     text   collate "C" not null,
    data     bytea  not null,
    metadata bytea  not null,
    micros   bigint not null,
    unique (stream, version)
)
"""
_EVENT: LiteralString = "events (stream, version, type, data, metadata, micros)"
_APPEND: LiteralString = f"insert into {_EVENT} values (%b, %b, %b, %b, %b, %b)"
_FILL: LiteralString = f"copy {_EVENT} from stdin"
_PAGE: LiteralString = (
    "select position, version, type, data from events where position > %b order by position"
    " limit %b"
)
_EVERYTHING: LiteralString = "select position, version, type, data from events order by position"
_STREAM: LiteralString = (
    "select type, data, metadata from events where stream = %b order by version"
)

_BALANCES: LiteralString = """
create table balance (
    account_id text collate "C" not null primary key,
    owner      text collate "C" not null,
    balance    bigint not null,
    version    bigint not null
);
create index balance_by_owner on balance (owner);
create table checkpoints (name text primary key, position bigint not null);
insert into checkpoints values ('balance', 0);
"""
_ROW: LiteralString = "balance (account_id, owner, balance, version)"
_LOAD: LiteralString = f"copy {_ROW} from stdin"
_UPSERT: LiteralString = f"""
insert into {_ROW} values (%b, %b, %b, %b)
on conflict (account_id) do update set
    balance = balance.balance + excluded.balance, version = excluded.version
"""
_CHECKPOINT: LiteralString = "update checkpoints set position = %b where name = 'balance'"


def connect(url: str) -> Connection:
    """A connection in autocommit mode that prepares each statement at once."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=0)


def filled(work: Work, events: int, accounts: int) -> str:
    """The URL of a database with such a log, to be copied."""

    def fill(url: str) -> None:
        with connect(url) as connection:
            connection.execute(_LOG)
            with connection.cursor().copy(_FILL) as copy:
                for row in rows(bank.history(events, accounts)):
                    copy.write_row(row)

    return databases.shared(work, f"floor-{events}-{accounts}", fill)


@dataclass(frozen=True, slots=True)
class Log:
    """Connections that insert, each in a thread of its own; the first one also reads."""

    connections: Sequence[Connection]
    threads: ThreadPoolExecutor

    def append(self, rows: Sequence[Row]) -> Sample:
        """Insert ``rows`` one by one, shared out over the connections."""
        shares = [rows[place :: len(self.connections)] for place in range(len(self.connections))]
        with Stopwatch() as watch:
            list(self.threads.map(_append, self.connections, shares))
        return watch.rate(len(rows))

    def page(self, after: int, limit: int) -> Sequence[Read]:
        return self.connections[0].execute(_PAGE, (after, limit), binary=True).fetchall()

    def everything(self) -> Iterable[Read]:
        """All events, ten thousand in each answer of the server."""
        connection = self.connections[0]
        with connection.transaction(), connection.cursor("log", binary=True) as cursor:
            cursor.itersize = 10_000
            yield from cursor.execute(_EVERYTHING)

    def stream(self, name: str) -> Iterable[tuple[str, bytes, bytes]]:
        return self.connections[0].execute(_STREAM, (name,), binary=True)


def _append(connection: Connection, rows: Sequence[Row]) -> None:
    cursor = connection.cursor()
    for row in rows:
        cursor.execute(_APPEND, row)


@contextmanager
def log(url: str, connections: int) -> Generator[Log]:
    """The log at ``url``, with so many connections."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(connections))
        made = [stack.enter_context(connect(url)) for _ in range(connections)]
        yield Log(made, threads)


@dataclass(frozen=True, slots=True)
class Balances:
    """A table in a database of its own."""

    connection: Connection

    def change(self, changes: Sequence[Balance], position: int) -> None:
        with self.connection.transaction(), self.connection.cursor(binary=True) as cursor:
            cursor.executemany(_UPSERT, changes)
            cursor.execute(_CHECKPOINT, (position,))

    def load(self, rows: Iterable[Balance], position: int) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            with cursor.copy(_LOAD) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(_CHECKPOINT, (position,))


@contextmanager
def balances(url: str) -> Generator[Balances]:
    """An empty read model at ``url``."""
    with connect(url) as connection:
        connection.execute(_BALANCES, prepare=False)
        yield Balances(connection)
