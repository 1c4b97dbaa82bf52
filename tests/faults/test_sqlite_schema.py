"""Files of other versions of whence, and files that several open at the same moment."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore, schema
from whence.errors import NewerSchema, StoreError
from whence.store import ALL, Appended, in_stream
from whence.testing.conformance.words import (
    append,
    collect,
    event,
    happened,
    outcome,
    stored,
    types,
)

Alone = Callable[..., str]

SCRIPTS = schema.migrations()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
def an_old_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process knows only the first version of the schema; others know all."""
    monkeypatch.setattr(schema, "migrations", lambda: SCRIPTS[:1])


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("pragma user_version").fetchone()[0]
    return found


def content(path: Path) -> bytes:
    return path.read_bytes()


def become(path: Path, version: int) -> None:
    """As a later version of whence would leave it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma user_version = {version}")


async def test_a_newer_schema_is_refused(path: Path) -> None:
    async with SqliteStore(path) as store:
        await append(store, event())
    become(path, 99)
    before = content(path)
    with pytest.raises(NewerSchema) as raised:
        await SqliteStore(path).open()
    assert str(raised.value) == (
        f"{path} has schema version 99, written by a later version of whence;"
        f" this one knows up to {len(SCRIPTS)}: upgrade whence"
    )
    assert content(path) == before


async def test_who_has_it_open_does_not_write_to_a_newer_schema(path: Path) -> None:
    async with SqliteStore(path) as store:
        await append(store, event("before"))
        become(path, 99)
        for commits in ([happened("s")], [happened("s"), happened("t")]):
            with pytest.raises(NewerSchema, match=r"99, .+ upgrade whence"):
                await store.append(commits)
        assert await types(store.read(ALL)) == ["before"]
        become(path, len(SCRIPTS))
        await append(store, event("after"))
        assert await types(store.read(ALL)) == ["before", "after"]


async def append_once(path: str, word: str) -> None:
    async with SqliteStore(path) as store:
        await append(store, event(word, "s"))


@pytest.mark.usefixtures("an_old_program")
async def test_an_older_file_is_brought_up_to_date_while_another_has_it_open(
    path: Path, alone: Alone
) -> None:
    acknowledged: list[str] = []
    begun = asyncio.Event()
    async with SqliteStore(path) as old:

        async def write() -> None:
            while True:
                each = happened("old")
                stored(await outcome(old, each))
                acknowledged.append(each.id)
                begun.set()

        writing = asyncio.create_task(write())
        await begun.wait()
        assert version(path) == 1
        await asyncio.to_thread(alone, append_once, path, "new")
        with pytest.raises(NewerSchema, match="upgrade whence"):
            await asyncio.wait_for(writing, 30)
        assert [e.commit_id for e in await collect(old.read(in_stream("old")))] == acknowledged
        assert await types(old.read(in_stream("s"))) == ["new"]
    assert version(path) == len(SCRIPTS)


async def append_when_told(path: str, number: str) -> None:
    Path(path).with_name(f"ready-{number}").touch()
    wait_for(Path(path).with_name("go"))
    async with SqliteStore(path) as store:
        for n in range(5):
            await append(store, event(f"{number}.{n}", "s"))


def wait_for(*files: Path) -> None:
    until = time.monotonic() + 30
    while not all(file.exists() for file in files):
        assert time.monotonic() < until
        time.sleep(0.0005)


async def all_at_once(alone: Alone, path: Path) -> None:
    """Several processes, which open the file at the same moment."""
    numbers = range(4)
    children = [asyncio.to_thread(alone, append_when_told, path, n) for n in numbers]
    running = asyncio.gather(*children)
    await asyncio.to_thread(wait_for, *[path.with_name(f"ready-{n}") for n in numbers])
    path.with_name("go").touch()
    await running
    async with SqliteStore(path) as store:
        found = await types(store.read(in_stream("s")))
    for number in numbers:
        mine = [each for each in found if each.startswith(f"{number}.")]
        assert mine == [f"{number}.{n}" for n in range(5)]
    assert version(path) == len(SCRIPTS)


async def test_several_processes_make_a_new_file_together(path: Path, alone: Alone) -> None:
    await all_at_once(alone, path)


async def test_several_processes_bring_a_file_up_to_date_together(
    path: Path, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as old:
        old.setattr(schema, "migrations", lambda: SCRIPTS[:1])
        async with SqliteStore(path) as store:
            await append(store, event("old"))
    await all_at_once(alone, path)


async def test_many_handles_make_a_new_file_together(tmp_path: Path) -> None:
    for number in range(10):
        stores = [SqliteStore(tmp_path / f"{number}.db", readers=1) for _ in range(6)]
        await asyncio.gather(*[store.open() for store in stores])
        commits = [happened("s") for _ in stores]
        ends = await asyncio.gather(*map(outcome, stores, commits))
        assert [type(end) for end in ends] == [Appended] * len(stores)
        assert len(await collect(stores[0].read(ALL))) == len(stores)
        await asyncio.gather(*[store.close() for store in stores])


async def test_one_handle_is_opened_once(path: Path) -> None:
    store = SqliteStore(path)
    await asyncio.gather(*[store.open() for _ in range(5)])
    assert [each.name for each in threading.enumerate()].count(f"writer {path}") == 1
    await append(store, event())
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="is not open"):
        await store.head()
    async with SqliteStore(path) as again:
        assert await again.head() == 1


async def test_a_migration_that_fails_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SqliteStore(path) as store:
        await append(store, event("before"))
    before = content(path)
    half = "create table half (id);\ninsert into nowhere values (1);"
    with monkeypatch.context() as broken:
        broken.setattr(schema, "migrations", lambda: [*SCRIPTS, half])
        with pytest.raises(StoreError, match=f"SQLite failed on {path}: no such table"):
            await SqliteStore(path).open()
    assert content(path) == before
    async with SqliteStore(path) as store:
        assert await types(store.read(ALL)) == ["before"]


async def test_tables_of_a_version_that_was_never_released_are_told_from_damage(
    path: Path,
) -> None:
    async with SqliteStore(path) as store:
        await append(store, event("before"))
    with closing(sqlite3.connect(path)) as file:
        file.execute("alter table events rename column ordinal to place")
    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="Its tables are not those of this version"):
            await collect(store.read(ALL))
        assert "Its tables are not those of this version" in str(
            await outcome(store, happened("x"))
        )
