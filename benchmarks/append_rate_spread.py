"""The append rate at a million events, where a thousand busy accounts lie all over the log.

Nearly every event of a transaction then changes a page of the index of streams that no other one
changes. In a log of ten thousand events several share a page, in one of a million none do: that
much more has to be written, whoever writes it. So the floor is measured on both logs, too.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

from benchmarks import bank
from benchmarks.append_rate import (
    AT_ONCE,
    EVENTS,
    FEW,
    PER_ACCOUNT,
    SMALL_LOG,
    TIMES,
    large,
    small,
)
from benchmarks.bank import Stored
from benchmarks.floor import rows
from benchmarks.harness import FLOOR, WHENCE, Figure, Goal, Round, Work
from benchmarks.sqlite import SQLITE

BUSY, STEP = 1_000, 389  # which have no common divisor


def spread(times: int, done: int, accounts: int) -> Iterator[Stored]:
    """A deposit for each busy account, in an order that has nothing to do with their names."""
    busy = min(BUSY, accounts)
    for number in range(done, done + times):
        ((stream, _, type, data),) = bank.deposited(1, busy, number * STEP, accounts // busy)
        yield stream, PER_ACCOUNT + number // busy + 1, type, data


@contextmanager
def plain(work: Work, size: tuple[int, int]) -> Generator[Round]:
    events, times = work.of(*size), work.of(*TIMES)
    accounts, done = events // PER_ACCOUNT, count(0, times)
    with SQLITE.log(work, events, accounts, AT_ONCE) as log:
        yield lambda: log.append(rows(spread(times, next(done), accounts)))


FIGURE = Figure(
    "append_rate_spread",
    "the same, to accounts all over the log",
    "appends/s",
    {
        WHENCE: partial(large, following=spread),
        SMALL_LOG: partial(small, following=spread),
        FLOOR: partial(plain, size=EVENTS),
        "floor, ten thousand": partial(plain, size=FEW),
    },
    (Goal(SMALL_LOG, 0.9),),
    rounds=7,
)
