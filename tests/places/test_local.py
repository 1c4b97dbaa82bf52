"""Read models that each node folds for itself, and read models in a database of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from whence import Aggregate, App, ReadModel, command, decide, event, evolve

from ..applications import status


@event
class Counted:
    counter_id: str


@command
class Count:
    counter_id: str


class Counter(Aggregate):
    @decide
    def count(self, command: Count) -> Iterator[Counted]:
        yield Counted(command.counter_id)

    @evolve
    def _(self, event: Counted) -> None:
        pass


class Shared(ReadModel):
    counter_id: str
    count: int = 0

    @evolve
    def _(self, event: Counted) -> None:
        self.count += 1


class Near(ReadModel, local=True):
    counter_id: str
    count: int = 0

    @evolve
    def _(self, event: Counted) -> None:
        self.count += 1


class Apart(ReadModel, database="sqlite:///apart.db"):
    counter_id: str
    count: int = 0

    @evolve
    def _(self, event: Counted) -> None:
        self.count += 1


counters = App("counters", Counter, Shared, Near, Apart)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are that are named without a folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def node(url: str, name: str) -> App:
    """The application as it runs on one node."""
    return counters.using(
        store=url, local=f"sqlite:///{name}.db", databases={"sqlite:///apart.db": "sqlite:///a.db"}
    )


async def test_each_node_has_its_own_copy(postgres_url: str, folder: Path) -> None:
    async with node(postgres_url, "one") as one, node(postgres_url, "two") as two:
        for app in (one, two):
            receipt = await app.send(Count("c"))
        for app in (one, two):
            row = await app.read(Near).get("c", after=receipt)
            assert row is not None
            assert row.count == 2
            assert (await app.verify(Near)).in_sync
    assert (folder / "one.db").exists()
    assert (folder / "two.db").exists()


async def test_a_copy_catches_up_after_it_was_away(postgres_url: str) -> None:
    async with node(postgres_url, "one") as one:
        await one.send(Count("c"))
        receipt = await one.send(Count("c"))
        assert await one.read(Near).get("c", after=receipt) == Near("c", 2, version=2)
        async with node(postgres_url, "two") as two:
            await two.read(Near).get("c", after=receipt)
        receipt = await one.send(Count("c"))
        async with node(postgres_url, "two") as two:
            assert await two.read(Near).get("c", after=receipt) == Near("c", 3, version=3)


async def test_a_node_without_its_copy_makes_it_again(postgres_url: str, folder: Path) -> None:
    async with node(postgres_url, "one") as one:
        receipt = await one.send(Count("c"))
        await one.read(Near).get("c", after=receipt)
    (folder / "one.db").unlink()
    async with node(postgres_url, "one") as one:
        assert await one.read(Near).get("c", after=receipt) == Near("c", 1, version=1)


async def test_on_one_node_all_are_in_one_file(folder: Path) -> None:
    async with counters.using(store="sqlite:///store.db") as app:
        receipt = await app.send(Count("c"))
        assert await app.read(Near).get("c", after=receipt)
    assert sorted(os.listdir(folder)) == ["store.db", "store.read.db"]


async def test_a_database_of_its_own(postgres_url: str, folder: Path) -> None:
    async with node(postgres_url, "one") as one:
        receipt = await one.send(Count("c"))
        assert await one.read(Apart).get("c", after=receipt) == Apart("c", 1, version=1)
        assert (await status(one, "apart")).state == "live"
        await one.rebuild(Apart)
        assert (await one.verify(Apart)).rows == 1
    assert (folder / "a.db").exists()
