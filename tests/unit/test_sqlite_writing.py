"""What the one writing connection of SQLite does beside appending."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore
from whence.backends.sqlite.appending import Appender
from whence.store import ALL, Commit, Outcome
from whence.testing.conformance.words import append, event, happened, outcome, stored, types

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
