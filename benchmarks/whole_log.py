"""Reading the whole log into typed events.

* whence: pages of the store, bare as folds read them, each event decoded by the application's
  codec.
* floor: ``select type, data``, `json.loads` and the same frozen dataclasses. No envelope.
* peer: ``recorder.select_notifications``, 500 at a time, and the mapper.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from benchmarks import bank, floor
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from whence import App
from whence.store import ALL, bare

EVENTS, QUICK, ACCOUNTS = 50_000, 200, 20
PEER_EVENTS = 20_000


@contextmanager
def whence(work: Work) -> Generator[Round]:
    events = work.of(EVENTS, QUICK)
    bank.copy_of_log(work, events, ACCOUNTS)
    with bank.running(work, lambda url: App("bank", bank.Account, store=url)) as app:

        async def read() -> int:
            count, decode = 0, app.app.wiring.events.decode
            async for page in app.app.running.store.read(bare(ALL)):
                for recorded in page.events:
                    decode(recorded)
                    count += 1
            return count

        def one_round() -> Sample:
            with Stopwatch() as watch:
                assert app.run(read()) == events
            return watch.rate(events)

        yield one_round


@contextmanager
def plain(work: Work) -> Generator[Round]:
    events = work.of(EVENTS, QUICK)
    classes: dict[str, Any] = {
        "AccountOpened": bank.AccountOpened,
        "MoneyDeposited": bank.MoneyDeposited,
    }
    with floor.log(work, events, ACCOUNTS) as connection:

        def one_round() -> Sample:
            count = 0
            with Stopwatch() as watch:
                for type, data in connection.execute(
                    "select type, data from events order by position"
                ):
                    classes[type](**json.loads(data))
                    count += 1
            assert count == events
            return watch.rate(events)

        yield one_round


@contextmanager
def peer(work: Work) -> Generator[Round]:
    from benchmarks import peer

    events = work.of(PEER_EVENTS, QUICK)
    with peer.running(work.folder) as app:
        peer.open_accounts(app, ACCOUNTS, events // ACCOUNTS)

        def one_round() -> Sample:
            with Stopwatch() as watch:
                count = sum(1 for _ in peer.log(app))
            assert count == events
            return watch.rate(events)

        yield one_round


FIGURE = Figure(
    "whole_log",
    "whole log into typed events",
    "events/s",
    {WHENCE: whence, FLOOR: plain, PEER: peer},
    (Goal(FLOOR, 2), Goal(PEER, 4)),
)
