"""Replaying an account of 10,000 events from SQLite, without cache and snapshot.

* whence: ``app.history(Account, id).now()``: every event typed and folded.
* floor: ``select type, data``, `json.loads` and a fold that knows both types. No objects.
* peer: ``repository.get``.
"""

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from benchmarks import bank, floor
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from whence import App

EVENTS, QUICK = 10_000, 100
STREAM = f"account-{bank.account(0)}"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    events = work.of(EVENTS, QUICK)
    bank.copy_of_log(work, events, 1)
    with bank.running(work, lambda url: App("bank", bank.Account, store=url, cached=0)) as app:

        def one_round() -> Sample:
            with Stopwatch() as watch:
                account = app.run(app.app.history(bank.Account, bank.account(0)).now())
            assert account.version == events  # pyright: ignore[reportUnknownMemberType]
            return watch.rate(events)

        yield one_round


@contextmanager
def plain(work: Work) -> Generator[Round]:
    events = work.of(EVENTS, QUICK)
    with floor.log(work, events, 1) as connection:

        def one_round() -> Sample:
            with Stopwatch() as watch:
                state = _folded(connection, STREAM)
            assert state["version"] == events
            return watch.rate(events)

        yield one_round


def _folded(connection: sqlite3.Connection, stream: str) -> dict[str, int]:
    opened, balance, version = 0, 0, 0
    for type, data in connection.execute(
        "select type, data from events where stream = ? order by version", (stream,)
    ):
        event = json.loads(data)
        if type == "MoneyDeposited":
            balance += event["amount"]
        elif type == "AccountOpened":
            opened = 1
        version += 1
    return {"opened": opened, "balance": balance, "version": version}


@contextmanager
def peer(work: Work) -> Generator[Round]:
    from benchmarks import peer

    events = work.of(EVENTS, QUICK)
    with peer.running(work.folder) as app:
        peer.open_accounts(app, 1, events)

        def one_round() -> Sample:
            with Stopwatch() as watch:
                account = app.account(bank.account(0))
            assert account.version == events  # pyright: ignore[reportUnknownMemberType]
            return watch.rate(events)

        yield one_round


FIGURE = Figure(
    "replay",
    "replay of a 10,000-event aggregate",
    "events/s",
    {WHENCE: whence, FLOOR: plain, PEER: peer},
    (Goal(FLOOR, 2), Goal(PEER, 12)),
    rounds=11,
)
