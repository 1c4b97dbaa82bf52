"""What is no store, or no longer a whole one, is refused by name, and left as it is."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore
from whence.envelope import NewEvent
from whence.errors import DamagedStore, ForeignStore, StoreError
from whence.store import ALL
from whence.testing.conformance.words import append, collect, event


def contents(folder: Path) -> dict[str, bytes]:
    """All that is there, but for the index of the write-ahead log, which is made anew."""
    files = [file for file in folder.iterdir() if not file.name.endswith("-shm")]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


async def check_refused(path: Path, kind: type[StoreError], says: str) -> None:
    """Nothing is changed by somebody who tries to open it."""
    before = contents(path.parent)
    for _ in range(2):
        with pytest.raises(kind) as raised:
            await SqliteStore(path).open()
        assert str(raised.value).startswith(f"{path} {says}")
    assert contents(path.parent) == before


async def append_some(store: SqliteStore, number: int) -> None:
    for n in range(number):
        await append(store, NewEvent("t", os.urandom(3_000), f"s{n % 7}", (f"x:{n % 5}",)))


@pytest.mark.parametrize(
    "content",
    [b"x", b"hello", b"\n" * 100, b"SQLite format 2\0" + bytes(1_000), os.urandom(10_000)],
    ids=["a letter", "a word", "lines", "another format", "noise"],
)
async def test_no_sqlite_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(content)
    says = "is not a SQLite file: give another path, or move it away"
    await check_refused(path, ForeignStore, says)


@pytest.mark.parametrize(
    "script",
    [
        "create table events (id)",
        "pragma application_id = 7",
        "pragma user_version = 1",
        "pragma journal_mode = wal; create table theirs (id)",
    ],
)
async def test_the_file_of_another_application(tmp_path: Path, script: str) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    says = "is a SQLite file of another application: give another path, or move it away"
    await check_refused(path, ForeignStore, says)


async def test_no_file_at_all(tmp_path: Path) -> None:
    await check_refused(tmp_path, ForeignStore, "is a directory: give the path of a file")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    await check_refused(pipe, ForeignStore, "is not a file: give another path")
    with pytest.raises(StoreError, match=f"{tmp_path}/a is not a directory: create it first"):
        await SqliteStore(tmp_path / "a" / "events.db").open()
    assert not (tmp_path / "a").exists()
    name = "x" * 300
    with pytest.raises(StoreError, match=f"{name} cannot be opened, nor a file made there"):
        await SqliteStore(tmp_path / name).open()


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.touch()
    async with SqliteStore(path) as store:
        await append(store, event())


LENGTHS = (50, 99, 100, 511, 512, 1_000, 4_095, 4_096, 4_097, 20_000, -50_000, -4_096, -1)
"""Of what is left; less than nothing is what is lost."""


async def test_a_truncated_file(tmp_path: Path) -> None:
    whole = tmp_path / "whole.db"
    async with SqliteStore(whole) as store:
        await append_some(store, 60)
    for length in LENGTHS:
        path = tmp_path / f"{length}" / "events.db"
        path.parent.mkdir()
        path.write_bytes(whole.read_bytes()[:length])
        await check_refused(path, DamagedStore, "is damaged: restore it from a backup")


async def test_a_truncated_file_beside_its_log(tmp_path: Path) -> None:
    whole = tmp_path / "whole.db"
    async with SqliteStore(whole) as store:
        await append_some(store, 60)
    async with SqliteStore(whole) as store:
        await append_some(store, 5)
        log = whole.with_name("whole.db-wal").read_bytes()
        cut = {length: whole.read_bytes()[:length] for length in (0, 15, 18, *LENGTHS[:-2])}
    for length, content in cut.items():
        path = tmp_path / f"{length}" / "events.db"
        path.parent.mkdir()
        path.write_bytes(content)
        path.with_name("events.db-wal").write_bytes(log)
        await check_refused(path, DamagedStore, "is damaged: restore it from a backup")


async def test_an_interrupted_checkpoint_is_finished(tmp_path: Path) -> None:
    """The file says already how long it will be, and what is missing is still in the log."""
    path = tmp_path / "events.db"
    async with SqliteStore(path) as store:
        await append_some(store, 10)
        log, before = contents(tmp_path)["events.db-wal"], contents(tmp_path)["events.db"]
        right = await collect(store.read(ALL))
    after = contents(tmp_path)["events.db"]
    assert len(before) + 40_000 < len(after)
    longer = len(before) + 20_000
    for number, content in enumerate((after[:4_096] + before[4_096:], after[:longer])):
        copy = tmp_path / f"copy-{number}.db"
        copy.write_bytes(content)
        copy.with_name(f"{copy.name}-wal").write_bytes(log)
        async with SqliteStore(copy) as store:
            assert await collect(store.read(ALL)) == right
        assert copy.read_bytes() == after
