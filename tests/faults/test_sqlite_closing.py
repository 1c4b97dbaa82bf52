"""A store that is closed while it is busy: everybody is answered, and what was said is true."""

import asyncio
import random
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from whence.backends.sqlite import SqliteStore, selecting
from whence.backends.sqlite.readers import Readers
from whence.backends.sqlite.schema import prepare
from whence.backends.sqlite.writer import Writer
from whence.errors import StoreError
from whence.store import ALL, Appended, of_commit
from whence.testing.conformance.words import append, collect, event, happened, outcome, types

Ends = dict[str, object]
"""What each commit id brought: an outcome or an error."""


async def write(store: SqliteStore, ends: Ends, tasks: int, begun: threading.Event) -> None:
    """Append, several at a time, until somebody closes the store."""
    while not any(isinstance(end, StoreError) for end in ends.values()):
        some = [happened("s", 2) for _ in range(tasks)]
        ended = await asyncio.gather(*[outcome(store, c) for c in some], return_exceptions=True)
        ends.update(zip([each.id for each in some], ended, strict=True))
        begun.set()


def in_a_loop_of_its_own(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


async def read(store: SqliteStore) -> None:
    while True:
        await collect(store.read(ALL))
        await store.head()


async def wait(store: SqliteStore) -> None:
    while True:
        await store.wait(10**9, 60)


def check_closed(store: SqliteStore, error: StoreError) -> None:
    assert str(error) in (
        f"{store.path} was closed: nothing was done",
        f"{store.path} is not open: use `async with SqliteStore(path)`",
    )


async def check_stored(path: Path, ends: Ends) -> None:
    """What was acknowledged is there, and what was refused is not."""
    async with SqliteStore(path) as store:
        for id, end in ends.items():
            found = await collect(store.read(of_commit(id)))
            assert len(found) == (2 if isinstance(end, Appended) else 0)
            if not isinstance(end, Appended):
                assert isinstance(end, StoreError)
                check_closed(store, end)


async def test_closed_while_others_append_and_read(tmp_path: Path) -> None:
    chance = random.Random(11)
    for number in range(12):
        store = SqliteStore(tmp_path / f"{number}.db")
        await store.open()
        ends: Ends = {}
        writers = [write(store, ends, 1, threading.Event()) for _ in range(1 + number % 3 * 4)]
        others = [*[read(store) for _ in range(4)], *[wait(store) for _ in range(2)]]
        running = asyncio.gather(*writers)
        asking = asyncio.gather(*others, return_exceptions=True)
        for _ in range(chance.randint(0, 20)):
            await asyncio.sleep(chance.choice([0, 0, 0.002]))
        await asyncio.wait_for(store.close(), 20)
        await asyncio.wait_for(running, 20)
        for error in await asyncio.wait_for(asking, 20):
            assert isinstance(error, StoreError)
            check_closed(store, error)
        await check_stored(store.path, ends)


async def test_closed_by_another_event_loop(tmp_path: Path) -> None:
    for number in range(12):
        store = SqliteStore(tmp_path / f"{number}.db")
        await store.open()
        ends: Ends = {}
        begun = threading.Event()
        work = write(store, ends, 1 + number % 3, begun)
        thread = asyncio.create_task(asyncio.to_thread(in_a_loop_of_its_own, work))
        await asyncio.to_thread(begun.wait, 20)
        await asyncio.wait_for(store.close(), 20)
        await asyncio.wait_for(thread, 20)
        await check_stored(store.path, ends)


async def test_closed_in_the_middle_of_a_read(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "events.db")
    await store.open()
    await append(store, *[event()] * 2_500)
    pages = store.read(ALL)
    assert len((await anext(pages)).events) == 1_000
    await store.close()
    with pytest.raises(StoreError, match=f"{store.path} is not open"):
        await anext(pages)
    async with SqliteStore(store.path) as again:
        assert len(await types(again.read(ALL))) == 2_500


async def test_what_was_asked_before_is_answered(tmp_path: Path) -> None:
    """Closing finishes what has been begun."""
    store = SqliteStore(tmp_path / "events.db")
    await store.open()
    appends = [asyncio.create_task(append(store, event())) for _ in range(50)]
    heads = [asyncio.create_task(store.head()) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.wait_for(asyncio.gather(*appends), 20)
    await asyncio.wait_for(asyncio.gather(*heads), 20)
    async with SqliteStore(store.path) as again:
        assert await again.head() == 50


async def test_what_waits_for_its_turn_in_the_event_loop_is_answered_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / "events.db")
    await store.open()
    await append(store, event("a", "s"))
    for _ in range(50):
        await store.head()
    monkeypatch.setattr("whence.backends.sqlite.readers._SWIFT", 0)  # one look in each turn
    heads = [asyncio.create_task(store.head()) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert await asyncio.wait_for(asyncio.gather(*heads), 20) == [1] * 50


async def test_who_comes_too_late_is_told(tmp_path: Path) -> None:
    """As one does who had the parts of the store in hand when another thread closed it."""
    path = tmp_path / "events.db"
    writer, readers = Writer(prepare(path), lambda head: None), Readers(prepare(path), 1)
    for _ in range(50):  # after that they are known to be quick, and done in the event loop
        await writer.counter.submit([happened("s")])
        await readers.counter.submit(selecting.head, small=True)
    writer.close()
    readers.close()
    for small in (True, False):
        commits = [happened("s")] * (1 if small else 20)
        with pytest.raises(StoreError, match=f"{path} was closed: nothing was done"):
            await asyncio.wait_for(writer.counter.submit(commits), 10)
        with pytest.raises(StoreError, match=f"{path} was closed: nothing was done"):
            await asyncio.wait_for(readers.counter.submit(selecting.head, small=small), 10)
    async with SqliteStore(path) as store:
        assert await store.head() == 50
