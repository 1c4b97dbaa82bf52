"""What the one writing connection of SQLite does beside appending."""

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from whence.backends.sqlite import SqliteStore, writer
from whence.backends.sqlite.appending import Appender
from whence.backends.sqlite.schema import prepare
from whence.store import ALL, Appended, Commit, Outcome
from whence.testing.conformance.words import (
    append,
    commit,
    event,
    happened,
    outcome,
    stored,
    types,
)

from .bells import Ring, bells

INSERT = "insert into snapshots values ('s', 1, 1, 'shape', x'00')"


def spoil(connection: sqlite3.Connection) -> None:
    connection.execute(INSERT)
    raise ValueError("no more")


async def test_a_task_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "events.db") as store:
        await append(store, event("before"))
        with pytest.raises(ValueError, match="no more"):
            await store.execute(spoil)
        await append(store, event("after"))
        kept = await store.query(lambda c: c.execute("select * from snapshots").fetchall())
        assert kept == []
        assert await types(store.read(ALL)) == ["before", "after"]


async def test_a_task_waits_for_another_writer_and_has_an_answer(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "events.db") as store:
        with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("begin immediate")
            task = asyncio.ensure_future(store.execute(lambda c: c.execute(INSERT).rowcount))
            await asyncio.wait([task], timeout=0.1)
            assert not task.done()
            other.execute("commit")
            assert await task == 1


@pytest.fixture
def late_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every append fails when its transaction is on the disk already."""
    right = Appender.append

    def fails(self: Appender, commits: Sequence[Commit], *, patient: bool = True) -> list[Outcome]:
        right(self, commits, patient=patient)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(Appender, "append", fails)


@pytest.mark.usefixtures("late_failures")
async def test_what_failed_too_late_is_known_to_be_stored(tmp_path: Path) -> None:
    async with SqliteStore(tmp_path / "events.db") as store:
        appended = stored(await outcome(store, happened("s", 2)))
        assert (appended.position, appended.versions) == (2, {"s": 2})


@pytest.mark.usefixtures("late_failures")
async def test_a_command_that_failed_too_late_is_no_duplicate(tmp_path: Path) -> None:
    async with bells(store=f"sqlite:///{tmp_path}/bells.db") as app:
        first = await app.send(Ring("B1"))
        assert (first.versions, first.duplicate) == ({"bell-B1": 1}, False)
        assert (await app.send(Ring("B1"))).versions == {"bell-B1": 2}


LITTLE = [
    ("ten calls", [[happened("s")] for _ in range(10)]),
    ("ten events", [[happened("s", 10)]]),
    ("a call of several commits", [[happened("s", 3), happened("t", 3)], [happened("t")]]),
]
MUCH = [
    ("eleven calls", [[happened("s")] for _ in range(11)]),
    ("eleven events", [[happened("s", 11)]]),
    ("a large event", [[commit(event(data=bytes(100_001)))]]),
]


@pytest.mark.parametrize(
    ("calls", "in_the_loop"),
    [pytest.param(calls, True, id=what) for what, calls in LITTLE]
    + [pytest.param(calls, False, id=what) for what, calls in MUCH],
)
async def test_an_event_loop_writes_by_itself_what_is_little(
    swift: Path, calls: Sequence[Sequence[Commit]], in_the_loop: bool
) -> None:
    threads: list[int] = []
    file = prepare(swift)
    writing = writer.Writer(file, lambda head: threads.append(threading.get_ident()))
    try:
        for _ in range(30):  # until it knows that the disk is swift
            await writing.counter.submit([happened("s")])
        threads.clear()
        await asyncio.gather(*[writing.counter.submit(call, size=_size(call)) for call in calls])
    finally:
        writing.close()
    assert [thread == threading.get_ident() for thread in threads] == [in_the_loop]


async def test_who_comes_in_the_turn_of_a_mistake_is_not_harmed(swift: Path) -> None:
    """What is little is written in the event loop, and by the thread if that does not work."""
    too_large = event("large", "s", data=bytes(50_001))
    async with SqliteStore(swift) as store:
        await store.execute(lambda c: c.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 50_000))
        for _ in range(30):
            await append(store, event("before"))
        good = happened("s"), happened("s", expected=1)
        calls = [[good[0]], [commit(too_large)], [good[1]]]
        first, mistake, last = await asyncio.gather(
            *map(store.append, calls), return_exceptions=True
        )
        assert isinstance(mistake, ValueError)
        assert [first, last] == [[Appended(31, {"s": 1})], [Appended(32, {"s": 2})]]


@pytest.fixture
def swift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where to keep a store whose disk takes no time."""
    monkeypatch.setattr(writer, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    return tmp_path / "events.db"


def _size(call: Sequence[Commit]) -> int:
    return sum(len(event.data) for commit in call for event in commit.events)
