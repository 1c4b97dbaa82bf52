"""No right to write: an error that says where, and the data stays as it is.

Rights do not bind the superuser, so a test that is run by him goes on as somebody else.
"""

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from whence.backends.sqlite import SqliteStore
from whence.errors import ReadOnlyStore
from whence.store import ALL
from whence.testing.conformance.words import append, event, types

Alone = Callable[..., str]

NOBODY = 65_534


@pytest.fixture
def folder() -> Generator[Path]:
    """Not below pytest's own folder, where nobody else may go."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def become_nobody(folder: str) -> None:
    """Give away the folder and all rights over others' files."""
    if os.geteuid() == 0:
        for path in (Path(folder), *Path(folder).iterdir()):
            os.chown(path, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


async def store_some(path: Path) -> None:
    async with SqliteStore(path) as store:
        await append(store, event("before"))
        assert await types(store.read(ALL)) == ["before"]


async def check_read_only(path: Path) -> None:
    before = contents(path.parent)
    for _ in range(2):
        with pytest.raises(ReadOnlyStore) as raised:
            await SqliteStore(path).open()
        assert str(raised.value) == (
            f"There is no right to write to {path}: whence must be able to write"
            " the file and its directory"
        )
    assert contents(path.parent) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def read_only_file(folder: str) -> None:
    path = Path(folder, "events.db")
    await store_some(path)
    become_nobody(folder)
    os.chmod(path, 0o444)
    await check_read_only(path)
    os.chmod(path, 0o644)
    async with SqliteStore(path) as store:
        assert await types(store.read(ALL)) == ["before"]


async def read_only_folder(folder: str) -> None:
    path = Path(folder, "events.db")
    await store_some(path)
    become_nobody(folder)
    os.chmod(folder, 0o555)
    await check_read_only(path)
    with pytest.raises(ReadOnlyStore, match=f"no right to write to {folder}/new.db: whence"):
        await SqliteStore(Path(folder, "new.db")).open()
    assert os.listdir(folder) == ["events.db"]


async def unreadable_file(folder: str) -> None:
    path = Path(folder, "events.db")
    await store_some(path)
    become_nobody(folder)
    os.chmod(path, 0o200)
    with pytest.raises(ReadOnlyStore, match=f"no right to write to {path}"):
        await SqliteStore(path).open()


async def log_of_somebody_else(folder: str) -> None:
    """What another user has left behind."""
    path, copy = Path(folder, "events.db"), Path(folder, "copy.db")
    async with SqliteStore(path) as store:
        await append(store, event("before"))
        for name in ("", "-wal", "-shm"):
            shutil.copy(f"{path}{name}", f"{copy}{name}")
    become_nobody(folder)
    for name in ("-wal", "-shm"):
        os.chmod(f"{copy}{name}", 0o000)
        with pytest.raises(ReadOnlyStore, match=f"no right to write to {copy}{name}: whence must"):
            await SqliteStore(copy).open()
        os.chmod(f"{copy}{name}", 0o600)
    async with SqliteStore(copy) as store:
        assert await types(store.read(ALL)) == ["before"]


CASES = [read_only_file, read_only_folder, unreadable_file, log_of_somebody_else]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_no_right_to_write(alone: Alone, folder: Path, case: Callable[[str], object]) -> None:
    alone(case, folder)


async def lose_the_right(folder: str) -> None:
    """What is open stays open: the right is asked for when a file is opened."""
    path = Path(folder, "events.db")
    await store_some(path)
    become_nobody(folder)
    async with SqliteStore(path) as store:
        os.chmod(path, 0o444)
        os.chmod(folder, 0o555)
        await append(store, event("after"))
        assert await types(store.read(ALL)) == ["before", "after"]
        os.chmod(folder, 0o755)
        os.chmod(path, 0o644)
    async with SqliteStore(path) as store:
        assert await types(store.read(ALL)) == ["before", "after"]


def test_a_right_that_is_lost_while_it_is_open(alone: Alone, folder: Path) -> None:
    alone(lose_the_right, folder)
