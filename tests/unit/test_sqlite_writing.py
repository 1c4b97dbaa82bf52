"""What the one writing connection of SQLite does beside appending."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore
from whence.store import ALL
from whence.testing.conformance.words import append, event, types

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
