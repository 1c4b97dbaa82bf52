"""Commits that travel together: what becomes of one is no concern of the others."""

import asyncio
import random
import sqlite3
import threading
from collections.abc import AsyncGenerator, Coroutine, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from whence.backends.sqlite import SqliteStore, appending
from whence.envelope import NewEvent
from whence.errors import Conflict, StoreBusy, StoreError
from whence.store import ALL, Appended, Commit, Outcome, in_stream, matching, of_commit
from whence.testing.conformance.words import (
    append,
    collect,
    commit,
    event,
    happened,
    outcome,
    stored,
    types,
)

LARGEST = 1_000_000
TOO_LARGE = NewEvent("large", bytes(LARGEST + 1), "s")


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteStore]:
    """One that cannot keep what is larger than a megabyte, as every SQLite has its limit."""
    async with SqliteStore(tmp_path / "events.db") as store:
        await store.execute(lambda c: c.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST))
        yield store


async def several(store: SqliteStore, calls: Sequence[Sequence[Commit]]) -> list[object]:
    """Calls of one moment, which therefore share a transaction: what each brings."""
    return list(await asyncio.gather(*map(store.append, calls), return_exceptions=True))


async def test_what_cannot_be_kept_is_the_callers_mistake(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match="SQLite cannot keep this: string or blob too big"):
        await store.append([commit(TOO_LARGE)])
    with pytest.raises(ValueError, match="SQLite cannot keep this"):
        await store.append([happened("s"), commit(event(), TOO_LARGE), happened("s")])
    assert await collect(store.read(ALL)) == []
    await append(store, event("good", "s"))
    assert await types(store.read(in_stream("s"))) == ["good"]


async def test_no_neighbour_is_harmed(store: SqliteStore) -> None:
    """Conflicts, repeated ids and impossible data in one transaction with good commits."""
    chance = random.Random(7)
    once = happened("once")
    await store.append([once])
    for round in range(10):
        kinds = chance.choices(["good", "late", "matched", "again", "large", "call"], k=60)
        calls = [_call(kind, f"{round}-{n}", once) for n, kind in enumerate(kinds)]
        for kind, call, end in zip(kinds, calls, await several(store, calls), strict=True):
            await _check(store, kind, call, end)
    log = await collect(store.read(ALL))
    assert [e.position for e in log] == list(range(1, len(log) + 1))


def _call(kind: str, name: str, once: Commit) -> list[Commit]:
    if kind == "late":
        return [happened(name, expected=1)]
    if kind == "matched":
        return [commit(event(stream=name), unless=matching(["happened"]))]
    if kind == "again":
        return [once]
    if kind == "large":
        return [commit(event(stream=name), TOO_LARGE)]
    if kind == "call":
        return [happened(name), commit(TOO_LARGE), happened(name)]
    return [happened(name, 2, expected=0)]


async def _check(store: SqliteStore, kind: str, call: Sequence[Commit], end: object) -> None:
    found = [len(await collect(store.read(of_commit(each.id)))) for each in call]
    if kind in ("large", "call"):
        assert isinstance(end, ValueError)
        assert set(found) == {0}
        return
    (one,) = cast("list[Outcome]", end)
    if kind in ("late", "matched"):
        assert isinstance(one, Conflict)
        assert found == [0]
    else:
        assert stored(one).duplicate is (kind == "again")
        assert found == [1 if kind == "again" else 2]


async def test_nonsense_is_refused_and_nobody_waits_for_ever(store: SqliteStore) -> None:
    good = [append(store, event(stream=f"s{n}")) for n in range(4)]
    for nonsense in ([None], [7], [object()], 5, [happened("s"), None]):
        with pytest.raises((TypeError, AttributeError)):
            await asyncio.wait_for(store.append(cast("Any", nonsense)), 20)
    await asyncio.gather(*good)
    for ask in (store.execute, store.query):
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(ask(lambda connection: 1 / 0), 20)
        with pytest.raises(StoreError, match=f"SQLite failed on {store.path}: near"):
            await asyncio.wait_for(ask(lambda connection: connection.execute("nonsense")), 20)
    await append(store, event(stream="s"))
    assert len(await collect(store.read(ALL))) == 5


async def test_cancelled_callers_leave_all_or_nothing(store: SqliteStore) -> None:
    chance = random.Random(3)
    for _ in range(15):
        commits = [happened(f"s{n % 3}", 3) for n in range(40)]
        tasks = [asyncio.create_task(outcome(store, each)) for each in commits]
        for task in chance.sample(tasks, 20):
            for _ in range(chance.randint(0, 3)):
                await asyncio.sleep(0)
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await append(store, event())  # after all that waited
        for each, end in zip(commits, ends, strict=True):
            found = await collect(store.read(of_commit(each.id)))
            assert len(found) in ((3,) if isinstance(end, Appended) else (0, 3))
    versions = [e.version for e in await collect(store.read(in_stream("s1")))]
    assert versions == list(range(1, len(versions) + 1))


def unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Complaints about the task that is left behind."""


def leave(work: Coroutine[Any, Any, None]) -> None:
    """Start ``work`` in an event loop that ends before it is answered."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(unheard)
    loop.create_task(work)  # noqa: RUF006
    loop.call_later(0.0005, loop.stop)
    loop.run_forever()
    loop.close()


async def test_an_event_loop_that_ends_early_harms_nobody(store: SqliteStore) -> None:
    commits = [happened("theirs", 20) for _ in range(20)]

    async def many() -> None:
        waits = [store.wait(10_000, 60) for _ in range(5)]
        reads = [collect(store.read(ALL)) for _ in range(20)]
        await asyncio.gather(*[outcome(store, each) for each in commits], *reads, *waits)

    thread = threading.Thread(target=leave, args=(many(),))
    thread.start()
    while thread.is_alive():
        await append(store, event(stream="ours"))
    await append(store, event(stream="ours"))
    for each in commits:
        assert len(await collect(store.read(of_commit(each.id)))) in (0, 20)
    versions = [e.version for e in await collect(store.read(in_stream("ours")))]
    assert versions == list(range(1, len(versions) + 1))


async def test_event_loops_of_several_threads_share_a_store(store: SqliteStore) -> None:
    async def work(thread: int) -> None:
        for number in range(30):
            appended = await asyncio.gather(
                *[append(store, event(stream=f"{thread}")) for _ in range(3)]
            )
            last = max(each.position for each in appended)
            found = await collect(store.read(in_stream(f"{thread}")))
            assert len(found) == 3 * number + 3
            assert found[-1].position == last

    threads = [asyncio.to_thread(asyncio.run, work(n)) for n in range(4)]
    await asyncio.gather(*threads, work(4))
    assert len(await collect(store.read(ALL))) == 5 * 90


async def test_a_lock_that_is_held_for_too_long(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "_PATIENCE", 0.1)
    await append(store, event("before"))
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("begin immediate")
    ends = await several(store, [[happened("s")], [happened("s"), happened("t")]])
    for end in ends:
        assert isinstance(end, StoreBusy)
        assert f"holds the write lock of {store.path} for too long: look for" in str(end)
    with pytest.raises(StoreBusy):
        await store.append([happened("s")])
    assert await types(store.read(ALL)) == ["before"]
    other.execute("rollback")
    other.close()
    await append(store, event("after"))
    assert await types(store.read(ALL)) == ["before", "after"]
