"""The clock jumps: the log goes by its own order, and nobody waits for a time that passed."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from whence import envelope
from whence.backends.sqlite import SqliteStore
from whence.envelope import NewEvent, new_id
from whence.store import ALL, Commit, in_stream
from whence.testing.conformance.words import collect, outcome, stored

JUMPS = (0, 3_600, -86_400, -(10**9), 10**9)
"""Seconds by which the clock is wrong, one after another."""


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the clock that tells what time it is; that which only counts goes on."""
    right, right_ns = time.time, time.time_ns

    def jump(seconds: int) -> None:
        monkeypatch.setattr(time, "time", lambda: right() + seconds)
        for module in (time, envelope):
            monkeypatch.setattr(module, "time_ns", lambda: right_ns() + seconds * 10**9)

    return jump


async def test_a_clock_that_jumps(tmp_path: Path, jump: Callable[[int], None]) -> None:
    ids: list[str] = []
    for round in range(2):  # also with handles that are opened at the wrong time
        async with SqliteStore(tmp_path / "events.db") as store, asyncio.timeout(20):
            for seconds in JUMPS:
                jump(seconds)
                for _ in range(10):
                    now = time.time_ns() // 1_000
                    version = len(ids)
                    commit = Commit(new_id(), [NewEvent("t", b"{}", "s", micros=now)])
                    appended = stored(await outcome(store, commit))
                    assert appended.versions == {"s": version + 1}
                    ids.append(commit.id)
                await store.wait(await store.head(), 0.02)
            log = await collect(store.read(ALL))
            assert [e.commit_id for e in log] == ids
            assert [e.position for e in log] == list(range(1, len(ids) + 1))
            assert await collect(store.read(in_stream("s"), after=log[24].position)) == log[25:]
        assert len(ids) == len(set(ids)) == 50 * (round + 1)


async def test_a_waiter_is_woken_whatever_the_clock_says(
    tmp_path: Path, jump: Callable[[int], None]
) -> None:
    async with SqliteStore(tmp_path / "events.db") as store, asyncio.timeout(20):
        waiting = asyncio.create_task(store.wait(0, 60))
        await asyncio.sleep(0)
        jump(-86_400)
        async with SqliteStore(store.path) as other:  # as from another process
            stored(await outcome(other, Commit(new_id(), [NewEvent("t", b"{}")])))
            await waiting
