"""A shop and its stocks, and a store in trouble."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from whence import Aggregate, App, Rejected, command, decide, event, evolve
from whence.backends.memory import MemoryStore
from whence.errors import StoreError
from whence.store import Commit, Outcome


@event
class Added:
    stock_id: str
    item: str


@event
class Removed:
    stock_id: str
    item: str


@event
class Renamed:
    stock_id: str
    name: str


@event
class Noted:
    stock_id: str


@command
class Add:
    stock_id: str
    items: tuple[str, ...]


@command
class Remove:
    stock_id: str
    item: str


@command
class Rename:
    stock_id: str
    name: str


@command
class Fail:
    stock_id: str
    how: str


class Stock(Aggregate, commutes=[(Added, Renamed)]):
    items: list[str] = []
    name = ""

    @decide
    def add(self, command: Add) -> Iterator[object]:
        for item in command.items:
            if item in self.items:
                raise Rejected(f"There is {item} already")
            yield Added(self.id, item)

    @decide
    def remove(self, command: Remove) -> Iterator[object]:
        if command.item not in self.items:
            raise Rejected(f"There is no {command.item}")
        yield Removed(self.id, command.item)

    @decide
    def rename(self, command: Rename) -> Iterator[object]:
        if command.name != self.name:
            yield Renamed(self.id, command.name)

    @decide
    def fail(self, command: Fail) -> Iterator[object]:
        match command.how:
            case "adds in place":
                self.items += ["poison"]
            case "appends in place":
                self.items.append("poison")
                raise ValueError("bug")
            case "yields, then refuses":
                yield Added(self.id, "poison")
                raise Rejected("No")
            case "yields, then fails":
                yield Added(self.id, "poison")
                raise ValueError("bug")
            case "yields nonsense":
                yield Added(self.id, "poison")
                yield "nonsense"
            case "yields what cannot be stored":
                yield Added(self.id, 7)  # type: ignore[arg-type]  # pyright: ignore
            case _:
                yield Noted(self.id)

    @evolve
    def _(self, event: Added) -> None:
        self.items.append(event.item)

    @evolve
    def _(self, event: Removed) -> None:
        self.items.remove(event.item)

    @evolve
    def _(self, event: Renamed) -> None:
        self.name = event.name


OpenApp = Callable[[], AbstractAsyncContextManager[App]]


def shop(store: Any, **options: Any) -> App:
    return App("shop", Stock, store=store, read="sqlite://", **options)


async def stock(app: App, id: str = "S1") -> Stock:
    return await app.history(Stock, id).now()


class Troubled(MemoryStore):
    """Fails when told to, or waits at a gate."""

    failing = 0
    gate: asyncio.Event | None = None

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            self.failing -= 1
            raise StoreError("the disk is gone")
        return await super().append(commits)
