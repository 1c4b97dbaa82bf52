"""How much SQLite has to do for a page: counted in steps of its machine, not in time."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore, selecting
from whence.backends.sqlite.selecting import Scan
from whence.envelope import NewEvent
from whence.store import ALL, Commit, EventQuery, in_stream, matching

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
