"""Rebuilding a read model of a million events: a row per account, ten events for each.

The events of an account lie far apart, as in `catching_up`.

* whence: ``app.rebuild(Balance)`` from the call until the tables have changed places, while the
  application is open and follows the log.
* floor: raw bulk load: one ``select``, `json.loads`, a `dict` of rows in memory, and one
  `executemany` into an empty table with the same index, in one transaction. Nobody can read or
  interrupt that, nobody else can help, and it is over when the memory is full.
"""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import closing, contextmanager
from typing import Any

from benchmarks import bank, catching_up, floor
from benchmarks.harness import FLOOR, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from whence import App

ACCOUNTS, EVENTS, QUICK = 100_000, 10, 10

Balances = dict[str, list[Any]]
"""Owner, balance and version by account."""

_LOG = "select position, version, type, data from events order by position"
_INSERT = "insert into balance (account_id, owner, balance, version) values (?, ?, ?, ?)"
_CHECKPOINT = "update checkpoints set position = ? where name = 'balance'"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    bank.copy_of_log(work, accounts * EVENTS, accounts)
    yield rebuilding(f"sqlite:///{work.folder}/bank.db", accounts)


def make(url: str) -> App:
    """The bank, following its log."""
    return App("bank", bank.Account, bank.Balance, store=url)


def rebuilding(url: str, accounts: int) -> Round:
    """Rounds of rebuilding what has caught up."""

    async def rebuild(app: App) -> None:
        await app.rebuild(bank.Balance)
        assert await app.read(bank.Balance).count() == accounts

    return rounds(url, accounts, rebuild)


def rounds(url: str, accounts: int, work: Callable[[App], Awaitable[None]]) -> Round:
    """Rounds of ``work`` on what has caught up, in an application that is opened for each."""
    events = accounts * EVENTS

    async def one_round() -> Sample:
        async with make(url) as app:
            balances = app.read(bank.Balance)
            await balances.get(bank.account(0), after=events, timeout=600)
            with Stopwatch() as watch:
                await work(app)
            row = await balances.get(bank.account(0), after=events)
            assert row is not None
            assert row.version == EVENTS
        return watch.rate(events)

    return lambda: asyncio.run(one_round())


@contextmanager
def plain(work: Work) -> Generator[Round]:
    accounts, number = work.of(ACCOUNTS, QUICK), 0
    with closing(floor.connect(work.folder / "floor.db")) as log:
        floor.append(log, floor.rows(bank.history(accounts * EVENTS, accounts)), 1_000)

        def one_round() -> Sample:
            nonlocal number
            number += 1
            path = work.folder / f"read-{number}.db"
            with Stopwatch() as watch, closing(catching_up.read_database(path)) as read:
                load(log, read)
            return watch.rate(accounts * EVENTS)

        yield one_round


def load(log: sqlite3.Connection, read: sqlite3.Connection) -> None:
    """Fold the whole log in memory, and write what comes out."""
    balances, position = folded(log.execute(_LOG))
    read.execute("begin immediate")
    read.executemany(_INSERT, ((id, *row) for id, row in balances.items()))
    read.execute(_CHECKPOINT, (position,))
    read.execute("commit")


def folded(log: Iterable[tuple[int, int, str, bytes]]) -> tuple[Balances, int]:
    """The balances, and the position of the last event."""
    balances, last = Balances(), 0
    for position, version, type, data in log:
        last, event = position, json.loads(data)
        if type == "MoneyDeposited":
            row = balances[event["account_id"]]
            row[1] += event["amount"]
            row[2] = version
        elif type == "AccountOpened":
            balances[event["account_id"]] = [event["owner"], 0, version]
    return balances, last


FIGURE = Figure(
    "rebuild",
    "rebuilding a read model of a million events",
    "events/s",
    {WHENCE: whence, FLOOR: plain},
    (Goal(FLOOR, 0.4),),
    rounds=5,
)
