"""Appending to a log of a million events, and to one of ten thousand, ten of each account.

In both, accounts are opened and then get nine deposits each, in turn: most things that happen
happen to things that are new. The names of new accounts sort after those of old ones, as ids do
that begin with the time. For accounts that are spread over all of the log see
`append_rate_spread`.

Every round opens a store, appends 64 commits at a time, each with the version that it expects,
and closes it. The small log is a fresh copy every time.
"""

import asyncio
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import bank
from benchmarks.bank import Stored
from benchmarks.harness import WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from whence.backends.sqlite import SqliteStore
from whence.envelope import NewEvent, new_id
from whence.store import Appended, Commit

EVENTS, FEW, TIMES, PER_ACCOUNT = (1_000_000, 2_000), (10_000, 1_000), (12_800, 640), 10
AT_ONCE = 64
SMALL_LOG = "ten thousand"

Next = Callable[[int, int, int], Iterable[Stored]]
"""What comes next: so many events, after so many in a log of so many accounts."""


def latest(times: int, done: int, accounts: int) -> Iterator[Stored]:
    """Open accounts, then deposit something in each of them, nine times."""
    new = times // PER_ACCOUNT
    first = accounts + done // PER_ACCOUNT
    yield from bank.opened(new, first)
    yield from bank.deposited(times - new, new, new, first=first)


@contextmanager
def large(work: Work, following: Next) -> Generator[Round]:
    """To a log of a million events, which grows from round to round."""
    events, times = work.of(*EVENTS), work.of(*TIMES)
    accounts = events // PER_ACCOUNT
    store, done = bank.copy_of_log(work, events, accounts), count(0, times)
    yield lambda: asyncio.run(append(store, following(times, next(done), accounts)))


@contextmanager
def small(work: Work, following: Next) -> Generator[Round]:
    """To one of ten thousand, always the same."""
    events, times = work.of(*FEW), work.of(*TIMES)
    accounts = events // PER_ACCOUNT
    original = bank.log(work, events, accounts)

    def one_round() -> Sample:
        store = Path(shutil.copy(original, work.folder / "copy.db"))
        sample = asyncio.run(append(store, following(times, 0, accounts)))
        store.unlink()
        return sample

    yield one_round


async def append(path: Path, events: Iterable[Stored]) -> Sample:
    """How many of ``events`` the store at ``path`` takes in a second, each in a commit."""
    commits = [
        Commit(new_id(), [NewEvent(type, data, stream, (), bank.METADATA)], {stream: version - 1})
        for stream, version, type, data in events
    ]
    waiting = iter(commits)

    async def one_of_many(store: SqliteStore) -> None:
        for commit in waiting:
            (outcome,) = await store.append((commit,))
            assert isinstance(outcome, Appended)

    async with SqliteStore(path) as store:
        with Stopwatch() as watch:
            await asyncio.gather(*(one_of_many(store) for _ in range(AT_ONCE)))
    return watch.rate(len(commits))


FIGURE = Figure(
    "append_rate",
    "append rate at a million events",
    "appends/s",
    {WHENCE: partial(large, following=latest), SMALL_LOG: partial(small, following=latest)},
    (Goal(SMALL_LOG, 0.9),),
    rounds=11,
)
