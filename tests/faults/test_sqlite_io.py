"""The disk fails: what is not known to be stored is said to be unknown, and then it goes on.

A disk that fails is a file that was exchanged under SQLite's hands: one that cannot be synced,
written or read.
"""

import asyncio
import fcntl
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore
from whence.errors import StoreError, Unknown
from whence.store import ALL, Appended, Commit, EventStore, Outcome, of_commit
from whence.testing.conformance.words import (
    append,
    collect,
    event,
    happened,
    outcome,
    stored,
    types,
)

Alone = Callable[..., str]


def exchange(path: Path, other: str, flags: int) -> None:
    """Let every handle of SQLite's on ``path`` lead to ``other``; our own only looks at it."""
    for name in os.listdir("/proc/self/fd"):
        if os.path.realpath(f"/proc/self/fd/{name}") != str(path):
            continue
        if fcntl.fcntl(int(name), fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
            replacement = os.open(other, flags)
            os.dup2(replacement, int(name))
            os.close(replacement)


def log_of(store: SqliteStore) -> Path:
    return store.path.with_name("events.db-wal")


async def opened(folder: str) -> SqliteStore:
    store = SqliteStore(Path(folder, "events.db"))
    await store.open()
    await append(store, event("first", "s"))
    return store


async def several(store: EventStore, commits: list[Commit]) -> list[Outcome]:
    return await asyncio.gather(*[outcome(store, each) for each in commits])


async def check_unknown(store: SqliteStore) -> None:
    """Nobody is told that it is stored, nor that it is not; and it goes on in this process."""
    commits = [happened("s"), happened("t", 2), happened("s", expected=1)]
    for each, end in zip(commits, await several(store, commits), strict=True):
        assert isinstance(end, Unknown)
        assert end.commit_id == each.id
        assert f"SQLite failed on {store.path}: disk I/O error" in str(end)
        assert await collect(store.read(of_commit(each.id))) == []
    await append(store, event("second", "s"))
    ends = await several(store, [*commits[:2], happened("s", expected=3)])
    assert [type(end) for end in ends] == [Appended] * 3
    right = ["first", "second", "happened", "happened", "happened", "happened"]
    assert await types(store.read(ALL)) == right
    await store.close()
    async with SqliteStore(store.path) as again:
        assert await types(again.read(ALL)) == right


async def cannot_sync(folder: str) -> None:
    store = await opened(folder)
    exchange(log_of(store), "/dev/null", os.O_RDWR)
    await check_unknown(store)


async def cannot_write(folder: str) -> None:
    store = await opened(folder)
    exchange(log_of(store), str(log_of(store)), os.O_RDONLY)
    await check_unknown(store)


async def cannot_read(folder: str) -> None:
    store = await opened(folder)
    assert await types(store.read(ALL)) == ["first"]
    await append(store, event("second"))
    exchange(log_of(store), str(log_of(store)), os.O_WRONLY)
    errors: list[str] = []
    for _ in range(10):
        try:
            assert await types(store.read(ALL)) == ["first", "second"]
        except StoreError as error:
            errors.append(str(error))
    failure = f"SQLite failed on {store.path}: disk I/O error"
    assert errors  # once for each connection, which is then made anew
    assert errors == [failure] * min(len(errors), 3)
    assert await types(store.read(ALL)) == ["first", "second"]
    await store.close()


async def cannot_open_again(folder: str) -> None:
    """A connection that failed cannot be made anew at once, since no more files may be open."""
    store = await opened(folder)
    exchange(log_of(store), "/dev/null", os.O_RDWR)
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))
    first = happened("s")
    assert [type(end) for end in await several(store, [first, happened("t")])] == [Unknown] * 2
    for commits in ([happened("s")], [happened("s"), happened("t")]):
        with pytest.raises(StoreError, match=f"{store.path} cannot be opened"):
            await asyncio.wait_for(store.append(commits), 10)
    with pytest.raises(StoreError, match=f"{store.path} cannot be opened"):
        await asyncio.wait_for(store.execute(lambda connection: None), 10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
    assert not stored(await outcome(store, first)).duplicate
    assert await types(store.read(ALL)) == ["first", "happened"]
    await store.close()


CASES = [cannot_sync, cannot_write, cannot_read, cannot_open_again]


@pytest.mark.parametrize("fault", CASES, ids=lambda fault: fault.__name__)
def test_a_failing_disk(alone: Alone, tmp_path: Path, fault: Callable[[str], object]) -> None:
    alone(fault, tmp_path)
