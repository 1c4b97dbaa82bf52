"""Rebuilding a read model of a million events: a row per account, ten events for each.

The events of an account lie far apart, as in `catching_up`.

* whence: ``app.rebuild(Balance)`` from the call until the tables have changed places, while the
  application is open and follows the log, in one process.
* floor: raw bulk load: one ``select`` (on PostgreSQL with a cursor of the server), `json.loads`, a
  `dict` of rows in memory, and one `executemany` or ``copy`` into an empty table with the same
  index, in one transaction. Nobody can read or interrupt that, nobody else can help, and it is
  over when the memory is full.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks import bank, catching_up
from benchmarks.backend import Backend, Balances, Log, Read
from benchmarks.harness import FLOOR, WHENCE, Figure, Goal, Round, Sample, Side, Stopwatch, Work
from benchmarks.sqlite import SQLITE
from whence import App

ACCOUNTS, EVENTS, QUICK = 100_000, 10, 10


@contextmanager
def whence(work: Work, backend: Backend) -> Generator[Round]:
    async def rebuild(app: App, accounts: int) -> None:
        await app.rebuild(bank.Balance)
        assert await app.read(bank.Balance).count() == accounts

    with caught_up(work, backend, rebuild) as one_round:
        yield one_round


@contextmanager
def caught_up(
    work: Work, backend: Backend, what: Callable[[App, int], Awaitable[None]]
) -> Generator[Round]:
    """Rounds of ``what``, each in an application that is opened and catches up before."""
    accounts = work.of(ACCOUNTS, QUICK)
    events = accounts * EVENTS

    async def one_round(url: str) -> Sample:
        async with App("bank", bank.Account, bank.Balance, store=url) as app:
            balances = app.read(bank.Balance)
            await balances.get(bank.account(0), after=events, timeout=600)
            with Stopwatch() as watch:
                await what(app, accounts)
            row = await balances.get(bank.account(0), after=events)
            assert row is not None
            assert row.version == EVENTS
        return watch.rate(events)

    with backend.store(work, events, accounts) as url:
        yield lambda: asyncio.run(one_round(url))


def load(log: Log, balances: Balances) -> None:
    """Fold the whole log in memory, and write what comes out."""
    rows, position = _folded(log.everything())
    balances.load(((id, *row) for id, row in rows.items()), position)


def _folded(log: Iterable[Read]) -> tuple[dict[str, list[Any]], int]:
    """Owner, balance and version by account, and the position of the last event."""
    balances, last = dict[str, list[Any]](), 0
    for position, version, type, data in log:
        last, event = position, json.loads(data)
        if type == "MoneyDeposited":
            row = balances[event["account_id"]]
            row[1] += event["amount"]
            row[2] = version
        elif type == "AccountOpened":
            balances[event["account_id"]] = [event["owner"], 0, version]
    return balances, last


def sides(backend: Backend) -> dict[str, Side]:
    """Both sides on ``backend``."""
    return {
        WHENCE: partial(whence, backend=backend),
        FLOOR: partial(catching_up.plain, backend=backend, accounts=ACCOUNTS, write=load),
    }


FIGURE = Figure(
    "rebuild",
    "rebuilding a read model of a million events",
    "events/s",
    sides(SQLITE),
    (Goal(FLOOR, 0.4),),
    rounds=5,
)
