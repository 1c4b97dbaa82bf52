"""The floor: plain psycopg, as a careful programmer writes it.

Prepared statements, parameters in binary, one row in each transaction, rows that hold the same
bytes. No command, no decision, no objects; and the order in which rows become visible is not
that of their positions, so whoever follows this log loses events.
"""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks import bank
from benchmarks.floor import Row, rows
from benchmarks.harness import Sample, Stopwatch, Work
from benchmarks.postgres import databases

Connection = psycopg.Connection[tuple[Any, ...]]

_SCHEMA = """
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
_COLUMNS = "events (stream, version, type, data, metadata, micros)"
_INSERT = f"insert into {_COLUMNS} values (%b, %b, %b, %b, %b, %b)".encode()
_COPY = f"copy {_COLUMNS} from stdin".encode()


def connect(url: str) -> Connection:
    """A connection in autocommit mode that prepares each statement at once."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=0)


def log(work: Work, events: int, accounts: int) -> str:
    """The URL of a database with such a log in a plain table."""

    def fill(url: str) -> None:
        with connect(url) as connection:
            connection.execute(_SCHEMA)
            with connection.cursor().copy(_COPY) as copy:
                for row in rows(bank.history(events, accounts)):
                    copy.write_row(row)

    return databases.shared(work, f"floor-{events}-{accounts}", fill)


@dataclass(frozen=True, slots=True)
class Log:
    """Connections that insert, each in a thread of its own."""

    connections: Sequence[Connection]
    threads: ThreadPoolExecutor

    def append(self, rows: Sequence[Row]) -> Sample:
        """Insert ``rows`` one by one, shared out over the connections."""
        shares = [rows[place :: len(self.connections)] for place in range(len(self.connections))]
        with Stopwatch() as watch:
            list(self.threads.map(_insert, self.connections, shares))
        return watch.rate(len(rows))


@contextmanager
def opened(url: str, connections: int) -> Generator[Log]:
    """The log at ``url``, with so many connections."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(connections))
        made = [stack.enter_context(connect(url)) for _ in range(connections)]
        yield Log(made, threads)


def _insert(connection: Connection, rows: Sequence[Row]) -> None:
    cursor = connection.cursor()
    for row in rows:
        cursor.execute(_INSERT, row)
