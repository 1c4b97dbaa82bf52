"""Readers that are slow, many, given up or left behind: nobody else notices."""

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from whence.backends.sqlite import SqliteStore
from whence.backends.sqlite import file as file_module
from whence.envelope import NewEvent
from whence.errors import DamagedStore
from whence.store import ALL, Page, in_stream, matching
from whence.testing.conformance.words import append, collect, commit, event, types

SHORT = 2_000_000
"""Bytes. In these tests a write-ahead log that is longer is cut."""


@pytest_asyncio.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[SqliteStore]:
    monkeypatch.setattr(file_module, "_LONG", SHORT)
    async with SqliteStore(tmp_path / "events.db") as store:
        yield store


async def append_much(store: SqliteStore, megabytes: int) -> int:
    """How long the write-ahead log was at most."""
    longest = 0
    for _ in range(2 * megabytes):
        events = [NewEvent("much", os.urandom(5_000), "s", ("x:1",)) for _ in range(100)]
        await store.append([commit(*events)])
        longest = max(longest, log_size(store))
    return longest


def log_size(store: SqliteStore) -> int:
    return os.path.getsize(f"{store.path}-wal")


def check_nobody_reads(store: SqliteStore) -> None:
    """All can be brought into the file: no connection is still at an older state of it."""
    other = sqlite3.connect(store.path, isolation_level=None)
    busy, *_ = other.execute("pragma wal_checkpoint(truncate)").fetchone()
    other.close()
    assert not busy
    assert log_size(store) == 0


async def test_a_page_that_is_held_for_long_holds_nothing_else(store: SqliteStore) -> None:
    await append_much(store, 6)
    held: list[tuple[AsyncIterator[Page], Page]] = []
    for query in (ALL, in_stream("s"), matching(tags=["x:1"]), matching(["much"])) * 5:
        pages = store.read(query)
        held.append((pages, await anext(pages)))
    assert await append_much(store, 15) < 3 * SHORT
    check_nobody_reads(store)
    head = await store.head()
    for pages, first in held:
        assert len(first.events) + sum([len(page.events) async for page in pages]) == head


async def test_readers_without_a_pause_do_not_let_the_log_grow(store: SqliteStore) -> None:
    await append_much(store, 1)
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            async for _ in store.read(ALL):
                if done.is_set():
                    return

    readers = [asyncio.create_task(read()) for _ in range(6)]
    longest = await append_much(store, 20)
    done.set()
    await asyncio.gather(*readers)
    assert longest < 4 * SHORT  # SQLite by itself lets it grow to 16 MB and more


async def test_a_transaction_of_others_lets_the_log_grow_and_nothing_else(
    store: SqliteStore,
) -> None:
    await append_much(store, 1)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("begin")
    other.execute("select count(*) from events").fetchone()
    assert await append_much(store, 15) > 10_000_000
    other.execute("rollback")
    other.close()
    await append_much(store, 10)
    assert log_size(store) < 2 * SHORT


async def test_a_reader_that_is_given_up_leaves_its_connection(tmp_path: Path) -> None:
    chance = random.Random(5)
    async with SqliteStore(tmp_path / "events.db", readers=1) as store:
        await append_much(store, 3)
        for _ in range(10):
            tasks = [asyncio.create_task(collect(store.read(ALL))) for _ in range(20)]
            for task in tasks:
                await asyncio.sleep(chance.choice([0, 0, 0.0005, 0.003]))
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        async for _ in store.read(in_stream("s")):
            break  # and never come back
        assert len(await asyncio.wait_for(collect(store.read(ALL)), 20)) == 600
        check_nobody_reads(store)


async def test_a_thousand_readers_at_once(store: SqliteStore) -> None:
    for number in range(30):
        await append(store, event(f"{number}", f"s{number % 3}"))
    reads = [collect(store.read([ALL, in_stream(f"s{n % 3}")][n % 2])) for n in range(1_000)]
    appends = [append(store, event("new", "other")) for _ in range(100)]
    heads = [store.head() for _ in range(100)]
    found = await asyncio.wait_for(asyncio.gather(*reads, *appends, *heads), 60)
    for number, events in enumerate(found[:1_000]):
        right = 10 if number % 2 else 30
        assert isinstance(events, list)
        assert len(events) == right or (right == 30 and 30 <= len(events) <= 130)
    assert await store.head() == 130


async def test_an_answer_does_not_wait_for_slow_neighbours(tmp_path: Path) -> None:
    looked: list[int] = []
    looked_at_first_answer: list[int] = []

    def look(connection: sqlite3.Connection) -> None:
        connection.execute(_SLOW).fetchone()
        looked.append(1)

    async with SqliteStore(tmp_path / "events.db", readers=1) as store:

        async def ask() -> None:
            await store.query(look)
            looked_at_first_answer.append(len(looked))

        await asyncio.gather(*[ask() for _ in range(12)])
    assert looked_at_first_answer[0] < 12


_SLOW = """
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 100000)
select count(*) from numbers
"""


def set_in_one_row(how: str) -> Callable[[sqlite3.Connection], object]:
    return lambda connection: connection.execute(f"update events set {how} where version = 3")


async def test_a_row_that_cannot_be_read_holds_nothing(store: SqliteStore) -> None:
    """The error is kept by whoever got it, and the next reader still sees what is new."""
    await append(store, *[event(f"{number}", "s", "x:1") for number in range(20)])
    errors: list[DamagedStore] = []
    for damage in ("tags = '[half'", "type = cast(x'ff' as text)", "tags = '[1]'"):
        await store.execute(set_in_one_row(damage))
        for _ in range(6):
            with pytest.raises(DamagedStore) as raised:
                await collect(store.read(ALL))
            errors.append(raised.value)
            assert str(raised.value).startswith(
                f"{store.path} is damaged: restore it from a backup ("
            )
        appended = await append(store, event("new", "other"))
        assert await store.head() == appended.position
        assert (await types(store.read(in_stream("other"))))[-1] == "new"
        check_nobody_reads(store)
    assert len(errors) == 18
