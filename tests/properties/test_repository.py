"""However commands come, through whichever application: what is stored is what was decided."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence import Aggregate, App, Rejected, command, decide, event, evolve
from whence.backends.memory import MemorySnapshots, MemoryStore
from whence.errors import Stale
from whence.store import ALL


@event
class Put:
    shelf_id: str
    item: str


@event
class Taken:
    shelf_id: str
    item: str


@command
class PutOn:
    shelf_id: str
    items: tuple[str, ...]


@command
class Take:
    shelf_id: str
    item: str


class Shelf(Aggregate):
    """At most three things, none of them twice."""

    items: set[str] = set()

    @decide
    def put_on(self, command: PutOn) -> Iterator[object]:
        for item in command.items:
            if item in self.items:
                continue
            if len(self.items) == 3:
                raise Rejected("It is full")
            yield Put(self.id, item)

    @decide
    def take(self, command: Take) -> Iterator[object]:
        if command.item not in self.items:
            raise Rejected("It is not there")
        yield Taken(self.id, command.item)

    @evolve
    def _(self, event: Put) -> None:
        self.items.add(event.item)

    @evolve
    def _(self, event: Taken) -> None:
        self.items.remove(event.item)


class Remembered(Shelf, category="shelf", id="shelf_id", snapshot_every=2):
    """The same, with snapshots."""


_ids = st.sampled_from(["S1", "S2"])
_items = st.sampled_from("abcde")
_commands = st.one_of(
    st.builds(PutOn, _ids, st.lists(_items, max_size=4).map(tuple)),
    st.builds(Take, _ids, _items),
)
_plans = st.lists(
    st.tuples(st.integers(0, 2), _commands, st.none() | st.integers(0, 4)), max_size=25
)

Shelves = dict[str, tuple[set[str], int]]


def expected(shelves: Shelves, command: PutOn | Take, seen: int | None) -> str | list[object]:
    """What the rules say, said in another way."""
    items, version = shelves.get(command.shelf_id, (set[str](), 0))
    events: list[object] = []
    if isinstance(command, Take):
        if command.item not in items:
            return "rejected"
        events = [Taken(command.shelf_id, command.item)]
        after = items - {command.item}
    else:
        new = [item for item in dict.fromkeys(command.items) if item not in items]
        if len(items) + len(new) > 3:
            return "rejected"
        events = [Put(command.shelf_id, item) for item in new]
        after = items | set(new)
    if events and seen is not None and seen != version:
        return "stale"
    shelves[command.shelf_id] = (after, version + len(events))
    return events


async def done(app: App, command: object, seen: int | None) -> str | list[object]:
    about: Any = {} if seen is None else {"version": seen}
    try:
        receipt = await app.send(command, **about)
    except Rejected:
        return "rejected"
    except Stale:
        return "stale"
    ids = set(receipt.events)
    pages = app.running.store.read(ALL)
    events = [event async for page in pages for event in page.events if event.id in ids]
    return [app.wiring.events.decode(event) for event in events]


@pytest.mark.parametrize("shelf", [Shelf, Remembered])
@given(_plans)
def test_several_applications_in_turn_decide_as_one_would(
    shelf: type[Shelf], plan: list[tuple[int, PutOn | Take, int | None]]
) -> None:
    async def play() -> None:
        store, shelves = MemoryStore(), Shelves()
        async with AsyncExitStack() as stack:
            apps = [
                await stack.enter_async_context(
                    App("shelves", shelf, store=store, read="sqlite://", cached=cached)
                )
                for cached in (0, 1, 9)
            ]
            snapshots = MemorySnapshots()
            for app in apps:
                app.running.repository._snapshots = snapshots  # pyright: ignore[reportPrivateUsage]
            for n, command, seen in plan:
                assert await done(apps[n], command, seen) == expected(shelves, command, seen)
            for id, (items, version) in shelves.items():
                state = await apps[0].history(shelf, id).now()
                assert (state.items, state.version) == (items, version)

    asyncio.run(play())


@given(_plans, st.sampled_from(["memory", "sqlite"]))
def test_several_applications_at_once_store_only_what_the_rules_allow(
    plan: list[tuple[int, PutOn | Take, int | None]], kind: str
) -> None:
    async def play(folder: str) -> None:
        store: Any = MemoryStore() if kind == "memory" else f"sqlite:///{Path(folder) / 's.db'}"
        async with AsyncExitStack() as stack:
            apps = [
                await stack.enter_async_context(
                    App("shelves", Remembered, store=store, read="sqlite://")
                )
                for _ in range(3)
            ]
            results = await asyncio.gather(
                *(apps[n].send(command) for n, command, _ in plan), return_exceptions=True
            )
            assert all(not isinstance(r, Exception) or isinstance(r, Rejected) for r in results)
            stored = [
                event async for page in apps[0].running.store.read(ALL) for event in page.events
            ]
            held: dict[str, set[str]] = {}
            for recorded in stored:
                event, items = (
                    apps[0].wiring.events.decode(recorded),
                    held.setdefault(recorded.stream, set()),
                )
                if isinstance(event, Put):
                    assert event.item not in items
                    items.add(event.item)
                    assert len(items) <= 3
                else:
                    items.remove(event.item)
            told = [id for r in results if not isinstance(r, BaseException) for id in r.events]
            assert sorted(told) == sorted(event.id for event in stored)

    with TemporaryDirectory() as folder:
        asyncio.run(play(folder))


@given(_plans)
def test_losing_all_snapshots_changes_nothing(
    plan: list[tuple[int, PutOn | Take, int | None]],
) -> None:
    class Lossy(MemorySnapshots):
        """Loses every other one."""

        saved = 0

        async def save(self, stream: str, snapshot: Any) -> None:
            self.saved += 1
            if self.saved % 2:
                await super().save(stream, snapshot)

    async def play() -> None:
        apps = [
            App("shelves", shelf, store="memory://", cached=0)
            for shelf in (Shelf, Remembered, Remembered)
        ]
        async with apps[0], apps[1], apps[2]:
            apps[2].running.repository._snapshots = Lossy()  # pyright: ignore[reportPrivateUsage]
            for _, command, seen in plan:
                one, other, third = [await done(app, command, seen) for app in apps]
                assert one == other == third

    asyncio.run(play())
