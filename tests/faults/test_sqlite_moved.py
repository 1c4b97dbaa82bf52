"""The file goes away while it is open: an error at once, rather than events that nobody finds."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from whence.backends.sqlite import SqliteStore
from whence.errors import StoreError
from whence.store import ALL
from whence.testing.conformance.words import append, event, happened, types


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def with_log(path: Path) -> list[Path]:
    return [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]


def delete(path: Path) -> None:
    path.unlink()


def delete_all(path: Path) -> None:
    for file in with_log(path):
        file.unlink()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def put_back(path: Path) -> None:
    path.with_name("elsewhere.db").rename(path)


def replace(path: Path) -> None:
    """As somebody does who restores a backup and forgets that it is in use."""
    copy = shutil.copy(path, path.with_name("copy.db"))
    os.replace(copy, path)


def replace_by_nothing(path: Path) -> None:
    path.unlink()
    path.touch()


WAYS = [delete, delete_all, delete_folder, move, replace, replace_by_nothing]


async def check_gone(store: SqliteStore, file: Path) -> None:
    """Every way to write says the same, whoever else writes."""
    says = f"{file} was moved, deleted or replaced while it was open: put it back, or start again"
    for commits in ([happened("s")], [happened("s"), happened("t")], [happened("s", 20)]):
        with pytest.raises(StoreError, match=says):
            await store.append(commits)
    with pytest.raises(StoreError, match=says):
        await store.execute(lambda connection: connection.execute("delete from snapshots"))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_a_file_that_goes_away(path: Path, way: Callable[[Path], None]) -> None:
    async with SqliteStore(path) as store:
        for number in range(20):
            await append(store, event(f"{number}", "s"))
        await store.head()
        way(path)
        left = sorted(path.parent.glob("*"))
        await check_gone(store, path)
        for _ in range(5):
            with pytest.raises(StoreError, match=f"{path} was moved, deleted or replaced"):
                await types(store.read(ALL))
            await store.wait(1_000, 0.05)
        assert sorted(path.parent.glob("*")) == left  # nothing was made in its place


@pytest.mark.parametrize("system", ["Linux", "another"])
async def test_a_log_that_goes_away(
    path: Path, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if system != "Linux":  # there is no /proc/self/fd
        monkeypatch.setattr(os, "readlink", Mock(side_effect=FileNotFoundError))
    async with SqliteStore(path) as store:
        await append(store, event())
        log = path.with_name("events.db-wal")
        log.unlink()
        await check_gone(store, log)
        log.touch()  # as another process would make it anew
        await check_gone(store, log)


async def test_a_file_that_is_put_back(path: Path) -> None:
    async with SqliteStore(path) as store:
        await append(store, event("before"))
        move(path)
        await check_gone(store, path)
        put_back(path)
        await append(store, event("after"))
        assert await types(store.read(ALL)) == ["before", "after"]
    async with SqliteStore(path) as store:
        assert await types(store.read(ALL)) == ["before", "after"]


async def test_a_replaced_file_is_used_after_a_new_start(path: Path) -> None:
    async with SqliteStore(path) as store:
        await append(store, event("kept"))
    shutil.copy(path, path.with_name("backup.db"))
    async with SqliteStore(path) as store:
        await append(store, event("lost with the file"))
        delete_all(path)
        path.with_name("backup.db").rename(path)
        await check_gone(store, path)
    async with SqliteStore(path) as store:
        await append(store, event("new"))
        assert await types(store.read(ALL)) == ["kept", "new"]


async def test_another_directory_is_another_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is the one that it was when the store was opened."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    async with SqliteStore("events.db") as store:
        await append(store, event())
        monkeypatch.chdir(tmp_path / "other")
        assert await types(store.read(ALL)) == ["happened"]
        await store.wait(1, 0.05)
        await append(store, event())
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a b.db", "a?mode=ro#b.db", "%41.db", "ä🦆.db", "'\".db", ":memory:"]
)
async def test_any_name_of_a_file(tmp_path: Path, name: str) -> None:
    for number in range(2):
        async with SqliteStore(tmp_path / name) as store:
            await append(store, event())
            assert len(await types(store.read(ALL))) == number + 1
    assert os.listdir(tmp_path) == [name]
