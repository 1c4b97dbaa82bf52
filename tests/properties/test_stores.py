"""Whatever is done to it, the SQLite store answers as its model does, the memory store."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from whence.backends import memory
from whence.backends.memory import MemoryStore
from whence.backends.sqlite import SqliteStore, selecting, walking
from whence.envelope import NewEvent
from whence.errors import Conflict
from whence.store import (
    ALL,
    Appended,
    Commit,
    EventQuery,
    EventStore,
    Item,
    Outcome,
    of_commit,
)
from whence.testing.conformance.words import collect

Result = TypeVar("Result")

STREAMS = ["a", "A", "a-1", "é"]
TYPES = ["one", "two", "ONE"]
TAGS = ["x:1", "x:10", "y:1", "y"]
IDS = [f"id-{n}" for n in range(12)]

events = st.builds(
    NewEvent,
    type=st.sampled_from(TYPES),
    data=st.binary(max_size=4),
    stream=st.sampled_from(["", *STREAMS]),
    tags=st.lists(st.sampled_from(TAGS), max_size=3).map(tuple),
    micros=st.integers(-3, 3),
)
items = st.builds(
    Item,
    types=st.frozensets(st.sampled_from(TYPES), min_size=1, max_size=2),
    tags=st.frozensets(st.sampled_from(TAGS), max_size=2),
    stream=st.none() | st.sampled_from(STREAMS),
    commit_id=st.none() | st.sampled_from(IDS),
) | st.one_of(
    st.builds(Item, tags=st.frozensets(st.sampled_from(TAGS), min_size=1, max_size=3)),
    st.builds(Item, stream=st.sampled_from(STREAMS)),
    st.builds(Item, commit_id=st.sampled_from(IDS)),
)
queries = st.just(ALL) | st.lists(items, min_size=1, max_size=4).map(
    lambda some: EventQuery(tuple(some))
)
positions = st.integers(0, 40)
commits = st.builds(
    Commit,
    id=st.sampled_from(IDS) | st.uuids().map(str),
    events=st.lists(events, min_size=1, max_size=5),
    expected=st.dictionaries(st.sampled_from(STREAMS), st.integers(0, 8), max_size=2),
    unless=st.none() | queries,
    after=positions,
)
calls = st.lists(commits, max_size=4)


def told(outcomes: Sequence[Outcome]) -> list[object]:
    """Outcomes as something that can be compared."""
    return [(o.expected, o.actual, o.events) if isinstance(o, Conflict) else o for o in outcomes]


class Stores(RuleBasedStateMachine):
    """Two handles on one file, and the model."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.patch = pytest.MonkeyPatch()
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name, "events.db")
        self.handles = [SqliteStore(path, readers=1) for _ in range(2)]
        self.model = MemoryStore()

    @initialize(page=st.integers(1, 5), walks=st.integers(1, 4))
    def open(self, page: int, walks: int) -> None:
        """With small pages and few walks, so that few events are many."""
        for module in (memory, selecting, walking):
            self.patch.setattr(module, "PAGE_EVENTS", page)
        self.patch.setattr(walking, "_MOST_WALKS", walks)
        for handle in self.handles:
            self.run(handle.open())

    def teardown(self) -> None:
        for handle in self.handles:
            self.run(handle.close())
        self.runner.close()
        self.patch.undo()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    @rule(which=st.integers(0, 1), call=calls)
    def append(self, which: int, call: list[Commit]) -> None:
        right = self.run(self.model.append(call))
        assert told(self.run(self.handles[which].append(call))) == told(right)

    @rule(which=st.integers(0, 1), several=st.lists(calls, min_size=2, max_size=5))
    def append_at_once(self, which: int, several: list[list[Commit]]) -> None:
        async def at_once(store: EventStore) -> list[object]:
            return [told(o) for o in await asyncio.gather(*map(store.append, several))]

        right = self.run(at_once(self.model))
        assert self.run(at_once(self.handles[which])) == right

    @rule(which=st.integers(0, 1), commit=commits, turns=st.integers(0, 3))
    def give_up(self, which: int, commit: Commit, turns: int) -> None:
        """A cancelled append is stored or not; if it is, then as it should have been."""

        async def cancelled() -> bool:
            task = asyncio.create_task(self.handles[which].append([commit]))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            await self.handles[which].execute(lambda connection: None)  # after all that waited
            return bool(await collect(self.handles[1 - which].read(of_commit(commit.id))))

        if self.run(cancelled()):
            (outcome,) = self.run(self.model.append([commit]))
            assert isinstance(outcome, Appended)
        self.same_log(which)

    @rule(
        which=st.integers(0, 1),
        query=queries,
        after=positions,
        backwards=st.booleans(),
        limit=st.none() | st.integers(1, 12),
    )
    def read(
        self, which: int, query: EventQuery, after: int, backwards: bool, limit: int | None
    ) -> None:
        async def pages(store: EventStore) -> tuple[list[object], int]:
            found: list[object] = []
            scanned = 0
            async for page in store.read(query, after=after, backwards=backwards, limit=limit):
                found += page.events
                scanned = page.scanned
            return found, scanned

        assert self.run(pages(self.handles[which])) == self.run(pages(self.model))

    @rule(which=st.integers(0, 1))
    def same_log(self, which: int) -> None:
        log = self.run(collect(self.model.read(ALL)))
        assert self.run(collect(self.handles[which].read(ALL))) == log
        assert self.run(self.handles[which].head()) == self.run(self.model.head())
        streams = {e.stream: e.version for e in log if e.stream}
        assert self.run(self.handles[which].streams()) == sorted(streams.items())

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.run(self.handles[which].close())
        self.run(self.handles[which].open())

    @rule(which=st.integers(0, 1), limit=st.integers(-1, 0), after=st.integers(-3, -1))
    def ask_nonsense(self, which: int, limit: int, after: int) -> None:
        for store in (self.handles[which], self.model):
            with pytest.raises(ValueError, match="limit"):
                self.run(collect(store.read(ALL, limit=limit)))
            with pytest.raises(ValueError, match="position"):
                self.run(collect(store.read(ALL, after=after)))


TestStores = Stores.TestCase
TestStores.settings = settings(
    max_examples=min(settings().max_examples, 60), stateful_step_count=25
)
