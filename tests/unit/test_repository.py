"""Loading, deciding, storing: what is cached is only ever a baseline."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence import (
    Aggregate,
    App,
    Conflict,
    Rejected,
    Stale,
    command,
    decide,
    event,
    evolve,
)
from whence.backends.memory import MemoryStore
from whence.errors import StoreError, Undecodable, UnknownType
from whence.repository import Turns
from whence.store import Appended, Commit, EventQuery, Outcome, Page
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event


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


@pytest.fixture(params=["memory", "sqlite"])
def open_app(request: pytest.FixtureRequest, tmp_path: Path) -> OpenApp:
    """Opens one more application on the same data."""
    store = MemoryStore() if request.param == "memory" else f"sqlite:///{tmp_path / 'shop.db'}"
    return lambda: shop(store)


@pytest.fixture
async def app(open_app: OpenApp) -> AsyncIterator[App]:
    async with open_app() as app:
        yield app


@pytest.fixture
async def two(open_app: OpenApp) -> AsyncIterator[tuple[App, App]]:
    async with open_app() as one, open_app() as other:
        yield one, other


async def stock(app: App, id: str = "S1") -> Stock:
    return await app.history(Stock, id).now()


# The cache is only a baseline.


async def test_what_another_application_has_written_cannot_lead_to_a_wrong_refusal(
    two: tuple[App, App],
) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Remove("S1", "a"))
    assert (await one.send(Add("S1", ("a",)))).versions == {"stock-S1": 3}


async def test_nor_to_a_wrong_acceptance(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Add("S1", ("b",)))
    with pytest.raises(Rejected, match="There is b already"):
        await one.send(Add("S1", ("b",)))
    with pytest.raises(Rejected, match="There is a already"):
        await other.send(Add("S1", ("a",)))


async def test_nor_to_doing_nothing_where_there_is_something_to_do(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Rename("S1", "x"))
    await other.send(Rename("S1", "y"))
    assert (await one.send(Rename("S1", "x"))).versions == {"stock-S1": 3}
    assert (await one.send(Rename("S1", "x"))).events == ()


async def test_nor_to_a_sender_being_told_that_the_version_that_it_saw_is_not_there(
    two: tuple[App, App],
) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    seen = await other.send(Add("S1", ("b",)))
    receipt = await one.send(Remove("S1", "a"), version=seen.versions["stock-S1"])
    assert receipt.versions == {"stock-S1": 3}


async def test_a_refusal_after_an_event_is_looked_at_again_too(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Remove("S1", "a"))
    assert (await one.send(Add("S1", ("b", "a")))).versions == {"stock-S1": 4}
    assert (await stock(one)).items == ["b", "a"]


async def test_what_is_cached_is_not_read_again() -> None:
    store = Counting()
    async with shop(store) as app:
        for n in range(5):
            await app.send(Add("S1", (str(n),)))
        assert store.reads == 1


async def test_only_so_many_are_cached_and_the_least_used_goes_first() -> None:
    store = Counting()
    async with shop(store, cached=2) as app:
        for id in ("S1", "S2", "S1", "S3", "S1"):
            await app.send(Rename(id, str(store.appends)))
        assert store.reads == 3
        await app.send(Rename("S2", "again"))
        assert store.reads == 4
        await app.send(Rename("S3", "again"))
        assert store.reads == 5


async def test_nothing_is_cached_if_nothing_shall_be() -> None:
    store = Counting()
    async with shop(store, cached=0) as app:
        await app.send(Add("S1", ("a",)))
        await app.send(Add("S1", ("b",)))
        assert store.reads == 2


async def test_what_a_caller_is_shown_is_not_what_is_cached(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    (await stock(app)).items.append("poison")
    await app.send(Remove("S1", "a"))
    assert (await stock(app)).items == []


# What fails leaves nothing behind.


@pytest.mark.parametrize(
    "how",
    [
        "adds in place",
        "appends in place",
        "yields, then refuses",
        "yields, then fails",
        "yields nonsense",
        "yields what cannot be stored",
    ],
)
async def test_a_decision_that_fails_leaves_nothing_behind(app: App, how: str) -> None:
    await app.send(Add("S1", ("a",)))
    for _ in range(2):
        with pytest.raises(
            Exception, match=r"No|bug|is not a message|cannot be stored|changes nothing"
        ):
            await app.send(Fail("S1", how))
    assert (await app.send(Add("S1", ("poison",)))).versions == {"stock-S1": 2}
    await app.send(Remove("S1", "a"))
    assert (await stock(app)).items == ["poison"]


async def test_events_that_the_aggregate_does_not_fold_count_as_versions(app: App) -> None:
    await app.send(Fail("S1", "not at all"))
    assert (await app.send(Add("S1", ("a",)))).versions == {"stock-S1": 2}
    assert (await stock(app)).version == 2


class Counting(MemoryStore):
    """Counts, and fails or waits when told to."""

    reads = 0
    appends = 0
    failing = 0
    gate: asyncio.Event | None = None

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        self.appends += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            self.failing -= 1
            raise StoreError("the disk is gone")
        return await super().append(commits)

    async def read(self, query: EventQuery, **how: Any) -> AsyncIterator[Page]:
        self.reads += 1
        async for page in super().read(query, **how):
            yield page


async def test_a_store_that_fails_leaves_nothing_behind() -> None:
    store = Counting()
    async with shop(store) as app:
        await app.send(Add("S1", ("a",)))
        store.failing = 1
        with pytest.raises(StoreError, match="the disk is gone"):
            await app.send(Add("S1", ("b",)))
        assert (await app.send(Add("S1", ("b",)))).versions == {"stock-S1": 2}


async def test_a_cancelled_command_leaves_nothing_behind_but_perhaps_its_events() -> None:
    store = Counting()
    async with shop(store) as app:
        await app.send(Add("S1", ("a",)))
        store.gate = asyncio.Event()
        waiting = asyncio.create_task(app.send(Add("S1", ("b",))))
        await asyncio.sleep(0)
        behind = asyncio.create_task(app.send(Add("S1", ("c",))))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        store.gate.set()
        assert (await behind).versions == {"stock-S1": 2}
        assert (await stock(app)).items == ["a", "c"]


async def test_cancelled_commands_on_sqlite_are_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    async with shop(f"sqlite:///{tmp_path / 'shop.db'}") as app:
        sends = [asyncio.create_task(app.send(Add("S1", (f"{n}", f"{n}b")))) for n in range(60)]
        for n, send in enumerate(sends):
            if n % 3:
                await asyncio.sleep(0.0005 * (n % 5))
                send.cancel()
        results = await asyncio.gather(*sends, return_exceptions=True)
        items = (await stock(app)).items
        assert len(items) == len(set(items))
        assert all(items[n] + "b" == items[n + 1] for n in range(0, len(items), 2))
        for n, result in enumerate(results):
            assert isinstance(result, asyncio.CancelledError) or f"{n}" in items
        await app.send(Add("S1", ("last",)))
        assert (await stock(app)).items == [*items, "last"]


# Conflicts.


class Racing(MemoryStore):
    """Lets somebody else write just before the next append."""

    ahead: Commit | None = None

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        if self.ahead is not None:
            ahead, self.ahead = self.ahead, None
            (outcome,) = await super().append([ahead])
            assert isinstance(outcome, Appended)
        return await super().append(commits)


async def test_a_conflict_is_decided_again_on_the_latest() -> None:
    store = Racing()
    async with shop(store) as app:
        await app.send(Add("S1", ("a",)))
        store.ahead = commit(
            new_event("Removed", "stock-S1", data=b'{"stock_id":"S1","item":"a"}')
        )
        with pytest.raises(Rejected, match="There is no a"):
            await app.send(Remove("S1", "a"))
        store.ahead = commit(new_event("Added", "stock-S1", data=b'{"stock_id":"S1","item":"b"}'))
        assert (await app.send(Add("S1", ("c",)))).versions == {"stock-S1": 4}
        assert (await stock(app)).items == ["b", "c"]


async def test_two_applications_at_one_aggregate_lose_and_repeat_nothing(
    open_app: OpenApp,
) -> None:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(open_app()) for _ in range(2)]
        sent = [str(n) for n in range(200)]
        receipts = await asyncio.gather(
            *(apps[n % 2].send(Add("S1", (item,))) for n, item in enumerate(sent))
        )
        versions = sorted(receipt.versions["stock-S1"] for receipt in receipts)
        assert versions == list(range(1, 201))
        assert sorted((await stock(apps[0])).items) == sorted(sent)


async def test_two_applications_never_accept_what_only_one_may(open_app: OpenApp) -> None:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(open_app()) for _ in range(2)]
        results = await asyncio.gather(
            *(apps[n % 2].send(Add("S1", (str(n // 4),))) for n in range(80)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, Rejected) for result in results) == 60
        assert sorted((await stock(apps[1])).items, key=int) == [str(n) for n in range(20)]


# What the sender had seen.


async def test_a_sender_that_has_seen_the_latest_may_go_on(app: App) -> None:
    assert (await app.send(Add("S1", ("a",)), version=0)).versions == {"stock-S1": 1}
    assert (await app.send(Remove("S1", "a"), version=1)).versions == {"stock-S1": 2}


async def test_a_sender_that_has_not_is_told_what_came_between(app: App) -> None:
    await app.send(Add("S1", ("a", "b")))
    await app.send(Remove("S1", "a"))
    with pytest.raises(Stale) as caught:
        await app.send(Remove("S1", "b"), version=1)
    stale = caught.value
    assert (stale.expected, stale.actual) == ({"stock-S1": 1}, {"stock-S1": 3})
    assert [(between.version, between.type) for between in stale.events] == [
        (2, "Added"),
        (3, "Removed"),
    ]
    assert str(stale) == (
        "stock-S1 is at version 3, not 1; meanwhile:\n  stock-S1 2: Added\n  stock-S1 3: Removed"
    )
    assert isinstance(stale, Conflict)


async def test_what_another_application_wrote_is_among_it(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Add("S1", ("b",)))
    await other.send(Remove("S1", "b"))
    with pytest.raises(Stale) as caught:
        await one.send(Remove("S1", "a"), version=1)
    assert caught.value.actual == {"stock-S1": 3}
    assert [between.version for between in caught.value.events] == [2, 3]


async def test_events_that_commute_are_let_through(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Rename("S1", "x"))
    assert (await one.send(Add("S1", ("b",)), version=1)).versions == {"stock-S1": 3}
    with pytest.raises(Stale):
        await other.send(Rename("S1", "y"), version=1)


async def test_all_of_them_must_commute(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    await app.send(Rename("S1", "x"))
    await app.send(Add("S1", ("b",)))
    assert (await app.send(Add("S1", ("c",)), version=3)).events
    with pytest.raises(Stale):
        await app.send(Add("S1", ("d",)), version=1)
    with pytest.raises(Stale):
        await app.send(Remove("S1", "a"), version=1)


async def test_a_version_that_is_not_there_yet_is_stale_too(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    with pytest.raises(Stale, match="stock-S1 is at version 1, not 9") as caught:
        await app.send(Remove("S1", "a"), version=9)
    assert caught.value.events == ()
    assert (await app.send(Remove("S1", "a"), version=1)).versions == {"stock-S1": 2}


async def test_a_refusal_counts_more_than_being_stale(app: App) -> None:
    await app.send(Add("S1", ("a", "b")))
    with pytest.raises(Rejected):
        await app.send(Remove("S1", "z"), version=1)


async def test_a_stale_sender_leaves_nothing_behind(app: App) -> None:
    await app.send(Add("S1", ("a", "b")))
    with pytest.raises(Stale):
        await app.send(Remove("S1", "b"), version=1)
    with pytest.raises(Rejected):
        await app.send(Add("S1", ("b",)))


# Turns.


async def test_commands_of_one_stream_are_decided_in_the_order_of_arrival(app: App) -> None:
    await asyncio.gather(*(app.send(Add("S1", (str(n),))) for n in range(50)))
    assert (await stock(app)).items == [str(n) for n in range(50)]


async def test_a_thousand_commands_at_once_all_land(app: App) -> None:
    receipts = await asyncio.gather(*(app.send(Rename("S1", str(n))) for n in range(1000)))
    assert sorted(r.versions["stock-S1"] for r in receipts) == list(range(1, 1001))
    assert (await stock(app)).version == 1000


async def test_turns_are_given_in_order_also_when_some_go_away() -> None:
    turns, done = Turns(), list[int]()

    async def work(n: int) -> None:
        await turns.take("s")
        try:
            await asyncio.sleep(0)
            done.append(n)
        finally:
            turns.give("s")

    tasks = [asyncio.create_task(work(n)) for n in range(10)]
    await asyncio.sleep(0)
    for n in (0, 3, 4, 9):
        tasks[n].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == [1, 2, 5, 6, 7, 8]
    await asyncio.wait_for(work(10), 1)


async def test_a_turn_that_comes_to_one_who_has_gone_is_passed_on() -> None:
    turns = Turns()
    await turns.take("s")
    second, third = (asyncio.create_task(turns.take("s")) for _ in range(2))
    await asyncio.sleep(0)
    turns.give("s")  # it is the second's turn, which does not know yet
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.wait_for(third, 1)
    turns.give("s")
    await asyncio.wait_for(turns.take("s"), 1)


async def test_streams_do_not_wait_for_each_other() -> None:
    turns = Turns()
    await turns.take("a")
    await asyncio.wait_for(turns.take("b"), 1)


@given(st.lists(st.tuples(st.sampled_from(["work", "cancel"]), st.integers(0, 3)), max_size=20))
def test_whatever_is_cancelled_everybody_else_gets_a_turn(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        turns, holding = Turns(), 0
        done: set[int] = set()

        async def work(n: int, pauses: int) -> None:
            nonlocal holding
            await turns.take("s")
            try:
                assert holding == 0
                holding += 1
                for _ in range(pauses):
                    await asyncio.sleep(0)
                done.add(n)
            finally:
                holding -= 1
                turns.give("s")

        tasks = list[asyncio.Task[None]]()
        cancelled = set[int]()
        for n, (what, pauses) in enumerate(steps):
            tasks.append(asyncio.create_task(work(n, pauses)))
            if what == "cancel":
                cancelled.add(pauses * len(tasks) // 4)
                tasks[pauses * len(tasks) // 4].cancel()
                await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 1)
        assert done | cancelled == set(range(len(tasks)))
        await asyncio.wait_for(turns.take("s"), 1)

    asyncio.run(play())


# What cannot be read.


async def test_an_event_that_nobody_knows_is_named(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    await app.running.store.append([commit(new_event("Lost", "stock-S1"))])
    with pytest.raises(UnknownType, match=r"'Lost', which is stored at position 2 \(stock-S1 ver"):
        await app.send(Remove("S1", "z"))
    with pytest.raises(UnknownType):
        await stock(app)


async def test_a_payload_that_does_not_fit_is_named(app: App) -> None:
    await app.running.store.append([commit(new_event("Added", "stock-S1", data=b'{"item":1}'))])
    with pytest.raises(
        Undecodable, match=r"the 'Added' at position 1 \(stock-S1 version 1\) does"
    ):
        await app.send(Add("S1", ("a",)))
