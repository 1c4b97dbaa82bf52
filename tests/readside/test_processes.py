"""Several processes lead the same projections: the work is shared, and each event counts once."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import inspect

from whence.backends.sql import leases
from whence.leases import Everything
from whence.slices import Share
from whence.store import ALL, Page

from .counters import (
    Shrunk,
    Sums,
    Total,
    append,
    caught_up,
    counters,
    fresh,
    many,
    rows,
    shared,
    status,
    subscription,
    sums,
    until,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE", 1.5)


@contextmanager
def worker(read: str, store: str, model: str = "total") -> Generator[subprocess.Popen[str]]:
    """A process that projects."""
    options = json.dumps({"read": read, "store": store, "model": model})
    command = [sys.executable, "-m", "tests.readside.worker", options]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            if process.poll() is None:
                out, _ = process.communicate(timeout=60)
                assert out == "closed\n"


async def test_each_event_counts_once_whoever_is_killed(read_url: str, store: str) -> None:
    async with counters(read_url, store=store) as app:
        with worker(read_url, store), worker(read_url, store) as second:
            for n in range(30):
                await append(app, *many(40, 25, n), shared("C1", "C2", by=1))
                if n == 10:
                    second.kill()
            await caught_up(app)
            assert await rows(app) == await fresh(app)


async def test_the_work_of_a_projection_is_shared_as_well(read_url: str, store: str) -> None:
    async with counters(read_url, Sums, store=store) as app:
        with worker(read_url, store, "sums"):
            for n in range(20):
                await append(app, *many(20, 7, n))
            await caught_up(app, "sums")
        found = await app.running.reads.database.read(lambda c: c.execute(sums.select()).all())
        right: dict[str, int] = {}
        async for page in app.running.store.read(ALL):
            for one in page.events:
                event = json.loads(one.data)
                right[event["counter_id"]] = right.get(event["counter_id"], 0) + event["by"]
        assert {row[0]: row[1] for row in found} == right


async def test_slices_are_shared_and_taken_over(postgres_url: str, store: str) -> None:
    async with counters(postgres_url, store=store) as app:

        async def owned() -> list[int]:
            return sorted(len(owner.slices) for owner in (await status(app)).owners)

        async def alone() -> bool:
            return await owned() == [16]

        async def halves() -> bool:
            return await owned() == [8, 8]

        await until(alone)
        with worker(postgres_url, store) as other:
            await until(halves)
            await append(app, *many(50, 20))
            await caught_up(app)
            assert await rows(app) == await fresh(app)
            other.kill()
            await append(app, *many(50, 20))
            await until(alone)
            await caught_up(app)
            assert await rows(app) == await fresh(app)


async def test_slices_that_lag_behind_catch_up_with_the_others(
    postgres_url: str, store: str
) -> None:
    async with counters(postgres_url, store=store, projecting=False) as app:
        await append(app, *many(100, 20), shared("C1", "C2", "C3", by=5), *many(10, 20))
        log = [page async for page in app.running.store.read(ALL)]
        app.running.reads.database.ownership = Everything()
        follower = subscription(app).subscriber
        await follower.start()
        marks = await follower.marks()
        for slices, position in (range(5), 105), (range(5, 9), 30), (range(9, 12), 1):
            # As if processes had died that had these.
            share = Share.of(marks, dict.fromkeys(slices, 0))
            events = [event for event in log[0].events if event.position <= position]
            assert await follower.apply(Page(events, position), share)
    async with counters(postgres_url, store=store) as app:
        assert (await status(app)).position == 0
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_a_rebuild_is_shared(postgres_url: str, store: str) -> None:
    async with counters(postgres_url, store=store) as app:
        await append(app, *many(3_000, 200))
        await caught_up(app)
        with worker(postgres_url, store):
            seen: list[int] = []
            await app.projections.rebuild(Total, lambda position, head: seen.append(position))
            assert await rows(app) == await fresh(app)
            assert (await status(app)).generation == 2
            await append(app, *many(100, 200))
            await caught_up(app)
            assert await rows(app) == await fresh(app)


async def test_a_rebuild_can_be_broken_off_from_elsewhere(read_url: str, store: str) -> None:
    async with counters(read_url, store=store) as app:
        await append(app, *many(100, 20))
        await caught_up(app)
        before = await rows(app)
        # Nobody is at it: as if its process had died.
        await subscription(app).subscriber.rebuild(100)
        assert (await status(app)).building == 0
        async with counters(read_url, store=store, projecting=False) as other:
            await other.projections.cancel(Total)
        assert (await status(app)).building is None
        assert await rows(app) == before
        found = await app.running.reads.database.read(lambda c: inspect(c).get_table_names())
        assert "total__next" not in found


async def test_new_code_is_brought_out_while_old_code_runs(read_url: str, store: str) -> None:
    async with counters(read_url, store=store) as app:
        await append(app, *many(500, 20))
        await caught_up(app)
    with worker(read_url, store):
        async with counters(read_url, Shrunk, store=store) as app:
            await caught_up(app)
            await append(app, *many(50, 20))
            await caught_up(app)
            assert await rows(app) == await fresh(app, of=Shrunk)
            assert (await status(app)).state == "live"
