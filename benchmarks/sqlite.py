"""The sides on SQLite: files in the folder of the work. See `benchmarks.backend`."""

import shutil
import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import bank, floor
from benchmarks.backend import Balance, Read
from benchmarks.floor import Row
from benchmarks.harness import Sample, Stopwatch, Work

if TYPE_CHECKING:
    from benchmarks.peer import Bank

_PAGE = (
    "select position, version, type, data from events where position > ? order by position limit ?"
)
_EVERYTHING = "select position, version, type, data from events order by position"
_STREAM = "select type, data, metadata from events where stream = ? order by version"

_SCHEMA = """
pragma journal_mode = wal;
pragma synchronous = normal;
create table balance (
    account_id text primary key,
    owner      text    not null,
    balance    integer not null,
    version    integer not null
);
create index balance_by_owner on balance (owner);
create table checkpoints (name text primary key, position integer not null);
insert into checkpoints values ('balance', 0);
"""
_INSERT = "insert into balance (account_id, owner, balance, version) values (?, ?, ?, ?)"
_UPSERT = f"""
{_INSERT}
on conflict (account_id) do update set
    balance = balance + excluded.balance, version = excluded.version
"""
_CHECKPOINT = "update checkpoints set position = ? where name = 'balance'"


@dataclass(frozen=True, slots=True)
class Log:
    """A file, and one connection to it; rows that come at once share a transaction."""

    connection: sqlite3.Connection
    at_once: int

    def append(self, rows: Sequence[Row]) -> Sample:
        with Stopwatch() as watch:
            floor.append(self.connection, rows, self.at_once)
        return watch.rate(len(rows))

    def page(self, after: int, limit: int) -> Sequence[Read]:
        return self.connection.execute(_PAGE, (after, limit)).fetchall()

    def everything(self) -> Iterable[Read]:
        return self.connection.execute(_EVERYTHING)

    def stream(self, name: str) -> Iterable[tuple[str, bytes, bytes]]:
        return self.connection.execute(_STREAM, (name,))


@dataclass(frozen=True, slots=True)
class Balances:
    """In a file of its own, with WAL and ``synchronous=NORMAL``, as whence's read database."""

    connection: sqlite3.Connection

    def change(self, changes: Sequence[Balance], position: int) -> None:
        self._write(_UPSERT, changes, position)

    def load(self, rows: Iterable[Balance], position: int) -> None:
        self._write(_INSERT, rows, position)

    def _write(self, statement: str, rows: Iterable[Balance], position: int) -> None:
        self.connection.execute("begin immediate")
        self.connection.executemany(statement, rows)
        self.connection.execute(_CHECKPOINT, (position,))
        self.connection.execute("commit")


class Sqlite:
    """See `benchmarks.backend.Backend`."""

    @contextmanager
    def store(self, work: Work, events: int, accounts: int) -> Generator[str]:
        log = bank.log(work, events, accounts)
        with TemporaryDirectory(dir=work.folder) as folder:
            yield f"sqlite:///{shutil.copy(log, Path(folder, 'bank.db'))}"

    @contextmanager
    def log(self, work: Work, events: int, accounts: int, at_once: int = 1) -> Generator[Log]:
        with floor.log(work, events, accounts) as connection:
            yield Log(connection, at_once)

    @contextmanager
    def peer(self, work: Work, events: int, accounts: int) -> Generator["Bank"]:
        from benchmarks import peer

        peer.copy_of_log(work, events, accounts)
        with peer.running(work.folder) as app:
            yield app

    @contextmanager
    def empty(self, work: Work) -> Generator[str]:
        with TemporaryDirectory(dir=work.folder) as folder:
            yield f"{folder}/read.db"

    @contextmanager
    def balances(self, database: str) -> Generator[Balances]:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.executescript(_SCHEMA)
            yield Balances(connection)


SQLITE = Sqlite()
