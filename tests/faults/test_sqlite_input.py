"""Very large and very many: it is kept as it is, or refused, and nobody else notices."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from whence.backends.sqlite import SqliteStore
from whence.backends.sqlite.watcher import Watcher
from whence.envelope import NewEvent
from whence.store import ALL, Appended, in_stream, matching, of_commit
from whence.testing.conformance.words import (
    append,
    collect,
    commit,
    event,
    happened,
    outcome,
    stored,
)

HUGE = 100_000_000


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SqliteStore]:
    async with SqliteStore(tmp_path / "events.db") as store:
        yield store


async def test_a_payload_of_a_hundred_megabytes(store: SqliteStore) -> None:
    data = b"0123456789" * (HUGE // 10)
    huge = commit(NewEvent("huge", data, "s", ("x:1",)), event("after", "s"))
    small = [happened(f"s{n}") for n in range(20)]
    calls = [*small, huge, *small]
    ends = await asyncio.gather(*[outcome(store, each) for each in calls])
    assert [stored(end).duplicate for end in ends] == [False] * 21 + [True] * 20
    pages = [page async for page in store.read(in_stream("s"))]
    found = [e for page in pages for e in page.events]
    assert [e.type for e in found] == ["huge", "after"]
    assert found[0].data == data
    assert len(pages[0].events) == 1  # a page that is full of it holds no more
    late = commit(event(), expected={"s": 0})
    assert len(await collect(store.read(matching(["after"], [])))) == 1
    assert not isinstance(await outcome(store, late), Appended)


async def test_no_transaction_grows_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits with a small commit does not wait for all the large ones of others."""
    heads: list[int] = []

    def moved(watcher: Watcher, head: int) -> None:
        heads.append(head)

    monkeypatch.setattr(Watcher, "moved", moved)
    large = [NewEvent("large", bytes(500_000), metadata=bytes(500_000)) for _ in range(40)]
    async with SqliteStore(tmp_path / "events.db") as store:
        await asyncio.gather(*[append(store, each) for each in large])
    assert heads[:3] == [16, 32, 40]


async def test_metadata_and_tags_count_for_the_size_of_a_page(store: SqliteStore) -> None:
    tags = tuple(f"{n}:{'x' * 490}" for n in range(2_000))
    for number in range(12):
        metadata = b'{"by":"%s"}' % (b"x" * 1_000_000)
        await append(store, NewEvent("m", b"{}", f"m{number}", metadata=metadata))
    for number in range(12):
        await append(store, NewEvent("t", b"{}", f"t{number}", tags))
    for kind in ("m", "t"):
        pages = [page async for page in store.read(matching([kind]))]
        assert sum([len(page.events) for page in pages]) == 12
        assert max(len(page.events) for page in pages) < 12


async def test_a_hundred_thousand_tags(store: SqliteStore) -> None:
    tags = tuple(f"x:{n}" for n in range(100_000))
    tagged = commit(NewEvent("tagged", b"{}", "s", tags))
    ends = await asyncio.gather(*[outcome(store, each) for each in (happened("t"), tagged)])
    assert [type(end) for end in ends] == [Appended, Appended]
    (found,) = await collect(store.read(matching(tags=["x:99999", "x:0", "x:50000"])))
    assert found.tags == tags
    assert len(await collect(store.read(ALL))) == 2


async def test_a_hundred_thousand_events_in_a_commit(store: SqliteStore) -> None:
    events = [event(f"t{n % 3}", f"s{n % 7}") for n in range(100_000)]
    many = commit(*events)
    waiting = [outcome(store, each) for each in (happened("t"), many, happened("t"))]
    assert [type(end) for end in await asyncio.gather(*waiting)] == [Appended] * 3
    found = await collect(store.read(of_commit(many.id)))
    assert [e.ordinal for e in found] == list(range(100_000))
    again = stored(await outcome(store, many))
    assert again.duplicate
    assert again.versions == {f"s{n}": 100_000 // 7 + (n < 100_000 % 7) for n in range(7)}


async def test_large_events_after_small_ones_come_page_by_page(store: SqliteStore) -> None:
    await append(store, *[event("small", "s")] * 100)
    for _ in range(15):
        await append(store, NewEvent("large", bytes(5_000_000), "s"))
    for query in (ALL, in_stream("s"), matching(["small", "large"])):
        sizes = [sum([len(e.data) for e in page.events]) async for page in store.read(query)]
        assert sum(sizes) == 200 + 15 * 5_000_000
        assert max(sizes) <= 10_000_200


async def test_a_conflict_with_large_events_is_small(store: SqliteStore) -> None:
    for _ in range(20):
        await append(store, NewEvent("large", bytes(2_000_000), "s"))
    for late in (
        commit(event(), expected={"s": 0}),
        commit(event(), unless=matching(["large"])),
    ):
        end = await outcome(store, late)
        assert not isinstance(end, Appended)
        sizes = [len(e.data) for e in getattr(end, "events", ())]
        assert 1 <= len(sizes) < 10


async def test_a_limit_of_sqlite_is_said(store: SqliteStore) -> None:
    await store.execute(lambda c: c.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000))
    for large in (NewEvent("t", bytes(100_001)), NewEvent("t", b"{}", metadata=bytes(100_001))):
        with pytest.raises(ValueError, match="SQLite cannot keep this: string or blob too big"):
            await store.append([commit(large)])
    assert await store.head() == 0
