"""How much SQLite has to do for a page: counted in steps of its machine, not in time."""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from whence.backends.sqlite import SqliteStore, readers, selecting
from whence.backends.sqlite.schema import prepare
from whence.backends.sqlite.selecting import Scan
from whence.envelope import NewEvent
from whence.store import ALL, Commit, EventQuery, bare, in_stream, matching

EVENTS = 4_000


def steps(work: Callable[..., object], connection: sqlite3.Connection, *rest: object) -> int:
    """How many tens of steps ``work`` takes."""
    number = 0

    def count() -> None:
        nonlocal number
        number += 1

    connection.set_progress_handler(count, 10)
    work(connection, *rest)
    connection.set_progress_handler(None, 10)
    return number


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("query", [ALL, in_stream("s"), matching(["a"]), matching(tags=["x:1"])])
async def test_a_page_costs_the_same_wherever_it_is(
    tmp_path: Path, query: EventQuery, backwards: bool
) -> None:
    async with SqliteStore(tmp_path / "events.db") as store:
        events = [NewEvent("a", b"{}", "s", ("x:1",)) for _ in range(EVENTS)]
        await store.append([Commit("c", events)])

        def look(connection: sqlite3.Connection) -> list[int]:
            scans = [Scan(query, after, backwards, 100) for after in (101, EVENTS - 101)]
            return [steps(selecting.page, connection, scan) for scan in scans]

        early, late = await store.query(look)
    assert late == pytest.approx(early, rel=0.2)  # pyright: ignore[reportUnknownMemberType]


async def test_what_came_after_a_version_costs_the_same_wherever_it_is(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "events.db") as store:
        await store.append([Commit("c", [NewEvent("a", b"{}", "s") for _ in range(EVENTS)])])

        def look(connection: sqlite3.Connection) -> list[int]:
            return [
                steps(selecting.stream_after, connection, "s", after, 10)
                for after in (10, EVENTS - 10)
            ]

        early, late = await store.query(look)
    assert late == pytest.approx(early, rel=0.2)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_versions_are_what_is_stored_even_if_somebody_deleted_some(
    tmp_path: Path, lost: int
) -> None:
    async with SqliteStore(tmp_path / "events.db") as store:
        await store.append([Commit("c", [NewEvent("a", b"{}", "s") for _ in range(4)])])
        await store.execute(
            lambda connection: connection.execute(
                "update events set version = version + 10 where version > ?", (lost,)
            )
        )
        (page,) = [page async for page in store.read(bare(in_stream("s")))]
        (whole,) = [page async for page in store.read(in_stream("s"))]
    versions = [event.version for event in page.events]
    assert versions == [event.version for event in whole.events]
    assert versions == [*range(1, lost + 1), *range(lost + 11, 15)]


@pytest.mark.parametrize(("after", "limit"), [(0, None), (0, 130), (75, None), (75, 50)])
async def test_a_fold_gets_large_events_in_several_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, limit: int | None
) -> None:
    monkeypatch.setattr(selecting, "_MOST_BYTES", 1_000)
    async with SqliteStore(tmp_path / "events.db") as store:
        await store.append([Commit("c", [NewEvent("a", b"[%d]" % n, "s") for n in range(140)])])
        await store.append([Commit("d", [NewEvent("a", b"[]" + b" " * 30, "s")] * 60)])
        read = store.read(bare(in_stream("s")), after=after, limit=limit)
        pages = [page async for page in read]
        whole = [
            e async for p in store.read(in_stream("s"), after=after, limit=limit) for e in p.events
        ]
    assert [(e.version, e.data) for page in pages for e in page.events] == [
        (e.version, e.data) for e in whole
    ]
    for page in pages[:-1]:
        assert page.scanned == page.events[-1].position
    if limit is None:
        assert len(pages) > 1
        assert pages[-1].scanned == 200


async def test_what_comes_in_one_turn_is_looked_at_in_the_loop_but_not_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(readers, "time", SimpleNamespace(perf_counter=lambda: now))
    looked: list[tuple[int, int]] = []
    turn = 0

    def look(connection: sqlite3.Connection) -> None:
        nonlocal now
        now += 0.0003
        looked.append((threading.get_ident(), turn))

    async def count_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    pool = readers.Readers(prepare(tmp_path / "events.db"), 1)
    try:
        for _ in range(30):  # until it knows that looks are swift
            await pool.counter.submit(look, small=True)
        looked.clear()
        counting = asyncio.create_task(count_turns())
        await asyncio.gather(*[pool.counter.submit(look, small=True) for _ in range(20)])
        counting.cancel()
        await asyncio.gather(counting, return_exceptions=True)
    finally:
        pool.close()
    assert {thread for thread, _ in looked} == {threading.get_ident()}
    assert list(Counter(turn for _, turn in looked).values()) == [7, 7, 6]


async def test_an_event_knows_where_its_stream_begins(tmp_path: Path) -> None:
    names = ["s1", "s0", "s2"]
    rows: list[tuple[str, int]] = []
    for opened in range(2):  # a store that was just opened has to look
        async with SqliteStore(tmp_path / "events.db") as store:
            for number in range(2):
                events = [NewEvent("a", b"{}", name) for name in ["", *names]]
                await store.append([Commit(f"c{opened}.{number}", events)])
            rows = await store.query(
                lambda connection: connection.execute(
                    "select stream, origin from events order by position"
                ).fetchall()
            )
    assert rows == [("", 0), ("s1", 2), ("s0", 3), ("s2", 4)] * 4


async def test_each_look_is_taken_once(tmp_path: Path) -> None:
    looks: list[int] = []

    def look(number: int, _: sqlite3.Connection) -> None:
        looks.append(number)

    async with SqliteStore(tmp_path / "events.db") as store:
        for number in range(50):
            await store.query(partial(look, number))
    assert looks == [*range(50)]
