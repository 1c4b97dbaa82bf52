"""Catching up a read model on PostgreSQL from the first event, in the database of the log.

Log, read model, whence and floor are those of `benchmarks.catching_up`.

* peer: its projection runner, from its start until `wait` returns: each event, with its tracking
  record, in a transaction of its own.
"""

from collections.abc import Generator
from contextlib import contextmanager

from benchmarks import catching_up
from benchmarks.catching_up import EVENTS, QUICK
from benchmarks.harness import FLOOR, PEER, Figure, Goal, Round, Sample, Stopwatch, Work
from benchmarks.postgres import databases
from benchmarks.postgres.backend import POSTGRES

PEER_ACCOUNTS = 50


@contextmanager
def peer(work: Work) -> Generator[Round]:
    from benchmarks.postgres import peer

    events = work.of(PEER_ACCOUNTS, QUICK) * EVENTS
    log = peer.log(work, events, events // EVENTS)

    def one_round() -> Sample:
        with databases.database(work, log) as url, Stopwatch() as watch:
            balance = peer.catch_up(url, events)
        assert balance > 0
        return watch.rate(events)

    yield one_round


FIGURE = Figure(
    "postgres.catching_up",
    "catching up a read model on PostgreSQL",
    "events/s",
    {**catching_up.sides(POSTGRES), PEER: peer},
    (Goal(FLOOR, 0.5), Goal(PEER, 30)),
    rounds=5,
)
