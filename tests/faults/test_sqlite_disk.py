"""The disk is full: an error that says so, nothing half-written, and with room it goes on."""

import asyncio
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore
from whence.envelope import NewEvent, Recorded
from whence.errors import StoreFull
from whence.store import ALL, Commit, in_stream, matching
from whence.testing.conformance.words import append, collect, commit, event, outcome, stored

Alone = Callable[..., str]

OWN_DISKS = ("unshare", "--mount", "--user", "--map-root-user")
"""Starts a program that may mount disks which nobody else sees."""


def large(size: int = 20_000) -> Commit:
    return commit(*[NewEvent("large", os.urandom(size), "s", ("x:1",)) for _ in range(3)])


async def fill(store: SqliteStore, sizes: Sequence[int]) -> list[str]:
    """Append, several at a time, until there is no more room; the ids of what was stored."""
    acknowledged: list[str] = []
    for _ in range(10_000):
        commits = [large(size) for size in sizes]
        ends = await asyncio.gather(
            *[outcome(store, each) for each in commits], return_exceptions=True
        )
        for each, end in zip(commits, ends, strict=True):
            if isinstance(end, BaseException):
                assert type(end) is StoreFull, repr(end)
                assert str(end) == (
                    f"There is no room to write to {store.path}: free some, and send again"
                )
            else:
                stored(end)
                acknowledged.append(each.id)
        if any(isinstance(end, StoreFull) for end in ends):
            return acknowledged
    raise AssertionError("there is always room")


def check(log: Sequence[Recorded], acknowledged: Sequence[str]) -> None:
    """What was acknowledged is there once, in order and whole, and nothing else is."""
    assert [e.commit_id for e in log if e.ordinal == 0] == list(acknowledged)
    assert [e.ordinal for e in log] == [0, 1, 2] * len(acknowledged)
    assert [e.version for e in log] == list(range(1, len(log) + 1))
    assert all(len(e.data) > 100 for e in log)


def sound(connection: sqlite3.Connection) -> bool:
    return connection.execute("pragma integrity_check").fetchall() == [("ok",)]


async def fill_and_go_on(path: Path, free: Callable[[], object]) -> None:
    """Meet the end of the disk at several places, then ``free`` some room and go on."""
    async with SqliteStore(path) as store:
        acknowledged: list[str] = []
        for sizes in ((20_000,), (20_000, 7_001, 13_002), (3_000,), (400,) * 5):
            acknowledged += await fill(store, sizes)
            check(await collect(store.read(ALL)), acknowledged)
        free()
        last = large()
        stored(await outcome(store, last))
        check(await collect(store.read(in_stream("s"))), [*acknowledged, last.id])
    async with SqliteStore(path) as store:
        check(await collect(store.read(matching(tags=["x:1"]))), [*acknowledged, last.id])
        assert await store.query(sound)


def on_a_full_disk(folder: str) -> Coroutine[object, object, None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "none", folder], check=True)
    filler = Path(folder, "filler")
    filler.write_bytes(bytes(1_000_000))
    return fill_and_go_on(Path(folder, "events.db"), filler.unlink)


def within_a_limit(folder: str) -> Coroutine[object, object, None]:
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, most))
    lift = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (before, most))
    return fill_and_go_on(Path(folder, "events.db"), lift)


def test_a_full_disk(alone: Alone, tmp_path: Path) -> None:
    allowed = subprocess.run([*OWN_DISKS, "true"], capture_output=True).returncode == 0
    if allowed:
        alone(on_a_full_disk, tmp_path, within=OWN_DISKS)
    else:  # a limit on the size of files is met in the same way
        alone(within_a_limit, tmp_path)


def test_a_limit_on_the_size_of_files(alone: Alone, tmp_path: Path) -> None:
    alone(within_a_limit, tmp_path)


async def test_a_limit_on_the_number_of_pages(tmp_path: Path) -> None:
    def limit(pages: int) -> Callable[[sqlite3.Connection], object]:
        return lambda connection: connection.execute(f"pragma max_page_count = {pages}").fetchone()

    async with SqliteStore(tmp_path / "events.db") as store:
        await store.execute(limit(100))
        acknowledged = await fill(store, (20_000, 7_001, 400))
        check(await collect(store.read(ALL)), acknowledged)
        await store.execute(limit(100_000))
        last = large()
        stored(await outcome(store, last))
        check(await collect(store.read(ALL)), [*acknowledged, last.id])


async def start_without_room(folder: str) -> None:
    path = Path(folder, "events.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (0, 1_000, 5_000, 20_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        with pytest.raises(StoreFull, match=f"no room to write to {path}: free some"):
            await SqliteStore(path).open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    async with SqliteStore(path) as store:
        await append(store, event())


def test_a_disk_without_room_for_a_new_store(alone: Alone, tmp_path: Path) -> None:
    alone(start_without_room, tmp_path)
