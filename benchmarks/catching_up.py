"""Catching up a read model from the first event: a row per account, ten events for each.

The events of an account lie far apart, so nearly every event of a page changes another row:
folding a page first and writing each row once saves nothing here.

* whence: from opening the application until a read answers ``after`` the last event.
* floor: ``select``, `json.loads`, an upsert per event (`executemany`, which psycopg pipelines) and
  the checkpoint, 500 events in each transaction. On SQLite its file has WAL and
  ``synchronous=NORMAL``, which is what whence's read database has: rows and checkpoint are in one
  transaction, so what a power failure takes back is folded again.
* peer: the loop of its projection runner, written by hand, since its SQLite recorder cannot be
  subscribed to: each event, with its tracking record, in a transaction of its own
  (``synchronous=FULL``, its default).
"""

import asyncio
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks import bank
from benchmarks.backend import Backend, Balance, Balances, Log, Read
from benchmarks.harness import (
    FLOOR,
    PEER,
    WHENCE,
    Figure,
    Goal,
    Round,
    Sample,
    Side,
    Stopwatch,
    Work,
)
from benchmarks.sqlite import SQLITE
from whence import App

ACCOUNTS, EVENTS, PEER_ACCOUNTS, QUICK = 5_000, 10, 200, 10
AT_ONCE = 500


@contextmanager
def whence(work: Work, backend: Backend, accounts: int = ACCOUNTS) -> Generator[Round]:
    accounts = work.of(accounts, QUICK)
    events = accounts * EVENTS

    async def catch_up(app: App) -> bank.Balance | None:
        async with app:
            balances = app.read(bank.Balance)
            return await balances.get(bank.account(0), after=events, timeout=600)

    def one_round() -> Sample:
        with backend.store(work, events, accounts) as url:
            app = App("bank", bank.Account, bank.Balance, store=url)
            with Stopwatch() as watch:
                row = asyncio.run(catch_up(app))
        assert row is not None
        assert row.version == EVENTS
        return watch.rate(events)

    yield one_round


def follow(log: Log, balances: Balances, position: int = 0) -> None:
    """Write what the log holds after ``position``."""
    while page := log.page(position, AT_ONCE):
        position = page[-1][0]
        balances.change(_changes(page), position)


@contextmanager
def plain(
    work: Work,
    backend: Backend,
    accounts: int = ACCOUNTS,
    write: Callable[[Log, Balances], None] = follow,
) -> Generator[Round]:
    accounts = work.of(accounts, QUICK)
    with backend.log(work, accounts * EVENTS, accounts) as log:

        def one_round() -> Sample:
            with backend.empty(work) as database:
                with Stopwatch() as watch, backend.balances(database) as balances:
                    write(log, balances)
                return watch.rate(accounts * EVENTS)

        yield one_round


def _changes(page: Sequence[Read]) -> list[Balance]:
    changes: list[Balance] = []
    for _, version, type, data in page:
        event = json.loads(data)
        if type == "MoneyDeposited":
            changes.append((event["account_id"], "", event["amount"], version))
        elif type == "AccountOpened":
            changes.append((event["account_id"], event["owner"], 0, version))
    return changes


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


def sides(backend: Backend, accounts: int = ACCOUNTS) -> dict[str, Side]:
    """Whence and the floor on ``backend``; each peer is led along its log in a way of its own."""
    return {
        WHENCE: partial(whence, backend=backend, accounts=accounts),
        FLOOR: partial(plain, backend=backend, accounts=accounts),
    }


FIGURE = Figure(
    "catching_up",
    "catching up a read model",
    "events/s",
    {**sides(SQLITE), PEER: peer},
    (Goal(FLOOR, 0.5), Goal(PEER, 20)),
)
