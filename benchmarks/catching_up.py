"""Catching up a read model from the first event: a row per account, ten events for each.

The events of an account lie far apart, so nearly every event of a page changes another row:
folding a page first and writing each row once saves nothing here.

* whence: from opening the application until a read answers ``after`` the last event.
* floor: ``select``, `json.loads`, an upsert per event and the checkpoint, 500 events in each
  transaction, in a file of its own with WAL and ``synchronous=NORMAL``, which is what whence's
  read database has: rows and checkpoint are in one transaction, so what a power failure takes
  back is folded again.
* peer: the loop of its projection runner, written by hand, since its SQLite recorder cannot be
  subscribed to: each event, with its tracking record, in a transaction of its own
  (``synchronous=FULL``, its default).
"""

import asyncio
import json
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from benchmarks import bank, floor
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from whence import App

ACCOUNTS, EVENTS, PEER_ACCOUNTS, QUICK = 5_000, 10, 200, 10
AT_ONCE = 500

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
_PAGE = (
    "select position, version, type, data from events where position > ? order by position limit ?"
)
_UPSERT = """
insert into balance (account_id, owner, balance, version) values (?, ?, ?, ?)
on conflict (account_id) do update set
    balance = balance + excluded.balance, version = excluded.version
"""
_CHECKPOINT = "update checkpoints set position = ? where name = 'balance'"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts, number = work.of(ACCOUNTS, QUICK), 0
    store = work.folder / "bank.db"
    bank.fill(store, accounts * EVENTS, accounts)

    async def catch_up(app: App) -> bank.Balance | None:
        async with app:
            balances = app.read(bank.Balance)
            return await balances.get(bank.account(0), after=accounts * EVENTS, timeout=600)

    def one_round() -> Sample:
        nonlocal number
        number += 1
        read = f"sqlite:///{work.folder}/read-{number}.db"
        app = App("bank", bank.Account, bank.Balance, store=f"sqlite:///{store}", read=read)
        with Stopwatch() as watch:
            row = asyncio.run(catch_up(app))
        assert row is not None
        assert row.version == EVENTS
        return watch.rate(accounts * EVENTS)

    yield one_round


@contextmanager
def plain(work: Work) -> Generator[Round]:
    accounts, number = work.of(ACCOUNTS, QUICK), 0
    with closing(floor.connect(work.folder / "floor.db")) as log:
        floor.append(log, floor.rows(bank.history(accounts * EVENTS, accounts)), 1_000)

        def one_round() -> Sample:
            nonlocal number
            number += 1
            path = work.folder / f"read-{number}.db"
            with Stopwatch() as watch, closing(read_database(path)) as read:
                catch_up(log, read)
            return watch.rate(accounts * EVENTS)

        yield one_round


def read_database(path: Path) -> sqlite3.Connection:
    """An empty one."""
    read = sqlite3.connect(path, isolation_level=None)
    read.executescript(_SCHEMA)
    return read


def catch_up(log: sqlite3.Connection, read: sqlite3.Connection, position: int = 0) -> None:
    """Write what the log holds after ``position``."""
    while page := log.execute(_PAGE, (position, AT_ONCE)).fetchall():
        rows: list[tuple[str, str, int, int]] = []
        for _, version, type, data in page:
            event = json.loads(data)
            if type == "MoneyDeposited":
                rows.append((event["account_id"], "", event["amount"], version))
            elif type == "AccountOpened":
                rows.append((event["account_id"], event["owner"], 0, version))
        position = page[-1][0]
        read.execute("begin immediate")
        read.executemany(_UPSERT, rows)
        read.execute(_CHECKPOINT, (position,))
        read.execute("commit")


@contextmanager
def peer(work: Work) -> Generator[Round]:
    from benchmarks import peer

    accounts, number = work.of(PEER_ACCOUNTS, QUICK), 0
    with peer.running(work.folder) as app:
        peer.open_accounts(app, accounts, EVENTS)

        def one_round() -> Sample:
            nonlocal number
            number += 1
            with peer.sqlite_balances(work.folder / f"read-{number}.db") as view:
                with Stopwatch() as watch:
                    peer.catch_up(app, view)
                assert view.balance(bank.account(0)) > 0
            return watch.rate(accounts * EVENTS)

        yield one_round


FIGURE = Figure(
    "catching_up",
    "catching up a read model",
    "events/s",
    {WHENCE: whence, FLOOR: plain, PEER: peer},
    (Goal(FLOOR, 0.5), Goal(PEER, 20)),
)
