"""The floor: plain sqlite3, as a careful programmer writes it for the same durable work.

WAL, ``synchronous=FULL``, a cache of 64 MB and a checkpoint every 4,000 pages, as whence has them
for its log; one prepared statement, one connection, rows that hold the same bytes.
No command, no decision, no objects, no other process.
"""

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager

from benchmarks import bank
from benchmarks.bank import METADATA, MICROS, Stored
from benchmarks.harness import Work

Row = tuple[str, int, str, bytes, bytes, int]
"""Stream, version, type, payload, metadata, time."""

_SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = full;
pragma cache_size = -65536;
pragma wal_autocheckpoint = 4000;
create table events (
    position integer primary key,
    stream   text    not null,
    version  integer not null,
    type     text    not null,
    data     blob    not null,
    metadata blob    not null,
    micros   integer not null,
    unique (stream, version)
);
"""
_INSERT = (
    "insert into events (stream, version, type, data, metadata, micros) values (?, ?, ?, ?, ?, ?)"
)


@contextmanager
def log(work: Work, events: int, accounts: int) -> Generator[sqlite3.Connection]:
    """A log with so many events, in the folder of ``work``."""
    path = work.folder / "floor.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        append(connection, rows(bank.history(events, accounts)), 1_000)
        yield connection


def rows(history: Iterable[Stored]) -> list[Row]:
    """Events as rows."""
    return [(*event, METADATA, MICROS) for event in history]


def append(connection: sqlite3.Connection, events: Sequence[Row], at_once: int) -> None:
    """Insert ``events``, so many in each transaction."""
    for start in range(0, len(events), at_once):
        connection.execute("begin immediate")
        connection.executemany(_INSERT, events[start : start + at_once])
        connection.execute("commit")
