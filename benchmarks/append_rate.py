"""Appending to a log of a million events, and to one of ten thousand: the same accounts in both.

Every round opens a store, appends to accounts in turn, 64 commits at a time, each with the version
that it expects, and closes it. The small log is a fresh copy every time.
"""

import asyncio
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from benchmarks import bank
from benchmarks.harness import WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from whence.backends.sqlite import SqliteStore
from whence.envelope import NewEvent, new_id
from whence.store import Appended, Commit

EVENTS, SMALL, ACCOUNTS, TIMES = (1_000_000, 1_000), (10_000, 100), (10_000, 10), (12_800, 64)
AT_ONCE = 64
SMALL_LOG = "ten thousand"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts, times, done = work.of(*ACCOUNTS), work.of(*TIMES), work.of(*EVENTS)
    store = bank.log(work, done, accounts)

    def one_round() -> Sample:
        nonlocal done
        sample = asyncio.run(_append(store, done, times, accounts))
        done += times
        return sample

    yield one_round


@contextmanager
def small(work: Work) -> Generator[Round]:
    accounts, times, events = work.of(*ACCOUNTS), work.of(*TIMES), work.of(*SMALL)
    original = work.folder / "original.db"
    bank.fill(original, events, accounts)

    def one_round() -> Sample:
        store = work.folder / "copy.db"
        shutil.copy(original, store)
        sample = asyncio.run(_append(store, events, times, accounts))
        store.unlink()
        return sample

    yield one_round


async def _append(path: Path, done: int, times: int, accounts: int) -> Sample:
    """Go on with the history of ``accounts`` where it ended after ``done`` events."""
    commits = (
        Commit(new_id(), [NewEvent(type, data, stream, (), bank.METADATA)], {stream: version - 1})
        for stream, version, type, data in islice(
            bank.history(done + times, accounts, done), times
        )
    )
    prepared = iter(list(commits))

    async def one_of_many(store: SqliteStore) -> None:
        for commit in prepared:
            (outcome,) = await store.append((commit,))
            assert isinstance(outcome, Appended)

    async with SqliteStore(path) as store:
        with Stopwatch() as watch:
            await asyncio.gather(*(one_of_many(store) for _ in range(AT_ONCE)))
    return watch.rate(times)


FIGURE = Figure(
    "append_rate",
    "append rate at a million events",
    "appends/s",
    {WHENCE: whence, SMALL_LOG: small},
    (Goal(SMALL_LOG, 0.9),),
    rounds=11,
)
