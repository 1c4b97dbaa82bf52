"""A file with several names: links are followed, and what has two names of its own is refused."""

import os
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore
from whence.errors import StoreError
from whence.store import ALL
from whence.testing.conformance.words import append, event, types


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "events.db"


@pytest.fixture
def link(file: Path, tmp_path: Path) -> Path:
    """Leads to the file, which is not there yet."""
    return lead(tmp_path / "link.db", file)


def lead(link: Path, to: Path) -> Path:
    link.unlink(missing_ok=True)
    link.symlink_to(to)
    return link


def cut_short(file: Path, copy: Path) -> None:
    """As after a crash in the middle of a checkpoint: what is missing is in the log."""
    copy.write_bytes(file.read_bytes()[:-100])
    logs = [path.with_name(f"{path.name}-wal") for path in (file, copy)]
    logs[1].write_bytes(logs[0].read_bytes())


async def test_a_link_is_followed(file: Path, link: Path) -> None:
    async with SqliteStore(link) as store, SqliteStore(file) as same:
        await append(store, event("one"))
        await append(same, event("two"))
        await append(store, event("three"))
        assert await types(same.read(ALL)) == ["one", "two", "three"]
    assert os.listdir(file.parent) == ["events.db"]
    assert sorted(os.listdir(link.parent)) == ["data", "link.db"]


async def test_a_file_that_was_cut_short_is_completed_by_its_log_behind_a_link(
    file: Path, link: Path
) -> None:
    async with SqliteStore(file) as store:
        await append(store, *[event(data=b"x" * 5_000)] * 3)
        cut_short(file, file.with_name("copy.db"))
    async with SqliteStore(lead(link, file.with_name("copy.db"))) as store:
        assert len(await types(store.read(ALL))) == 3


async def test_a_link_that_leads_elsewhere_is_noticed(link: Path) -> None:
    other = link.with_name("other.db")
    async with SqliteStore(other):
        pass
    async with SqliteStore(link) as store:
        await append(store, event())
        lead(link, other)
        with pytest.raises(StoreError, match=f"{link} was moved, deleted or replaced"):
            await append(store, event())


async def test_a_file_of_two_names_is_refused(tmp_path: Path) -> None:
    """Each name would get a log of its own, and neither would know what the other one holds."""
    path, second = tmp_path / "events.db", tmp_path / "second.db"
    async with SqliteStore(path) as store:
        await append(store, event())
        os.link(path, second)
        for name in (path, second):
            with pytest.raises(StoreError, match=f"{name} has 2 names"):
                await SqliteStore(name).open()
        await append(store, event())
    os.unlink(second)
    async with SqliteStore(path) as store:
        assert await store.head() == 2
