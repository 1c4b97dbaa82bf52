"""The past of one stream: at any moment, what changed, by which events."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from whence import Aggregate, App, Decider, command, decide, event, evolve
from whence.backends.memory import MemoryStore
from whence.clock import ManualClock
from whence.errors import NotFound, WiringError
from whence.history import Changed, differences, moment, plain_state, position_of
from whence.store import PAGE_EVENTS, in_stream
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event

from ..stores import Observed


@event
class Set:
    counter_id: str
    to: int


@event
class Blinked:
    counter_id: str


@command
class SetTo:
    counter_id: str
    to: int


@command
class Blink:
    counter_id: str


class Counter(Aggregate):
    value = 0
    seen: list[int] = []
    half: Decimal = Decimal(0)

    @decide
    def set_to(self, command: SetTo) -> Iterator[object]:
        yield Set(self.id, command.to)

    @decide
    def blink(self, command: Blink) -> Iterator[object]:
        yield Blinked(self.id)

    @evolve
    def _(self, event: Set) -> None:
        self.value = event.to
        self.seen.append(event.to)
        self.half = Decimal(event.to) / 2


START = datetime(2026, 1, 1, 9, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture(params=["memory", "sqlite"])
async def app(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[App]:
    """Three events of C1, an hour apart, the last two at the same time; C2 between them."""
    store = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'counters.db'}"
    async with App("counters", Counter, store=store, read="sqlite://", clock=clock) as app:
        await app.send(SetTo("C1", 10), by="ann")  # position 1, 9:00
        clock.advance(hours=1)
        await app.send(SetTo("C2", 99))  # position 2, 10:00
        clock.advance(hours=1)
        await app.send(SetTo("C1", 20))  # position 3, 11:00
        await app.send(SetTo("C1", 30))  # position 4, 11:00
        yield app


async def value(app: App, *moment: Any, **named: Any) -> tuple[int, int]:
    state = await app.history(Counter, "C1").at(*moment, **named)
    return state.value, state.version


@pytest.mark.parametrize(("version", "expected"), [(0, 0), (1, 10), (2, 20), (3, 30)])
async def test_a_version_is_what_so_many_events_made(
    app: App, version: int, expected: int
) -> None:
    assert await value(app, version) == (expected, version)
    assert await value(app, version=version) == (expected, version)


@pytest.mark.parametrize("version", [4, 10_000])
async def test_a_version_that_is_not_there_yet_is_not_found(app: App, version: int) -> None:
    with pytest.raises(NotFound, match=rf"^counter-C1 has 3 version\(s\), not {version}$"):
        await value(app, version)


@pytest.mark.parametrize(
    ("position", "expected"),
    [(0, (0, 0)), (1, (10, 1)), (2, (10, 1)), (3, (20, 2)), (99, (30, 3))],
)
async def test_a_position_is_a_place_in_the_whole_log(
    app: App, position: int, expected: tuple[int, int]
) -> None:
    assert await value(app, position=position) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (START - timedelta(microseconds=1), (0, 0)),
        (START, (10, 1)),
        (START + timedelta(hours=2, microseconds=-1), (10, 1)),
        (START + timedelta(hours=2), (30, 3)),
        (datetime.max, (30, 3)),
        (datetime.min, (0, 0)),
        (datetime(2026, 1, 1, 9), (10, 1)),
        (datetime(2026, 1, 1, 10, 30, tzinfo=timezone(timedelta(hours=2))), (0, 0)),
        (datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=2))), (30, 3)),
        (date(2026, 1, 1), (0, 0)),
        (date(2026, 1, 2), (30, 3)),
        ("2026-01-01", (0, 0)),
        ("2026-01-02", (30, 3)),
        ("2026-01-01T09:00:00", (10, 1)),
        ("2026-01-01T10:59:59.999999Z", (10, 1)),
        ("2026-01-01 11:00", (30, 3)),
        ("2026-01-01T09:30:00+05:00", (0, 0)),
    ],
)
async def test_a_time_includes_what_happened_at_it(
    app: App, time: datetime | date | str, expected: tuple[int, int]
) -> None:
    assert await value(app, time) == expected
    assert await value(app, time=time) == expected


async def test_a_clock_that_goes_back_does_not_tear_the_past_apart(
    app: App, clock: ManualClock
) -> None:
    clock.set(START)
    await app.send(SetTo("C1", 40))
    assert await value(app, START) == (10, 1)
    assert await value(app, START + timedelta(hours=2)) == (40, 4)


@pytest.mark.parametrize(
    ("moments", "named"),
    [
        ((), {}),
        ((1,), {"version": 2}),
        ((1,), {"time": "2026-01-01"}),
        ((1,), {"position": 2}),
        (("2026-01-01",), {"time": "2026-01-01"}),
        ((), {"version": 1, "position": 1}),
    ],
)
async def test_a_moment_is_said_in_one_way(
    app: App, moments: tuple[Any, ...], named: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="say exactly one of version, time and position"):
        await value(app, *moments, **named)


async def test_nonsense_is_refused(app: App) -> None:
    with pytest.raises(ValueError, match="versions and positions count from 1"):
        await value(app, -1)
    with pytest.raises(ValueError, match="versions and positions count from 1"):
        await value(app, position=-1)
    with pytest.raises(ValueError, match="'yesterday' is no time"):
        await value(app, "yesterday")


async def test_what_is_not_there_has_a_past_without_events(app: App) -> None:
    nothing = app.history(Counter, "C9")
    assert ((await nothing.now()).version, (await nothing.at(0)).version) == (0, 0)
    assert (await nothing.at("2026-01-02")).value == 0
    assert [past async for past in nothing.events()] == []
    with pytest.raises(NotFound, match=r"counter-C9 has 0 version\(s\), not 1"):
        await nothing.at(1)


async def test_the_past_is_asked_by_class_by_decider_or_by_category(app: App) -> None:
    assert (await app.history("counter", "C1").now()).value == 30
    assert app.history(Counter, "C1").stream == "counter-C1"
    with pytest.raises(
        WiringError, match=r"^nobody is not in this application, which has: counter"
    ):
        app.history("nobody", "x")

    class Other(Aggregate): ...

    with pytest.raises(WiringError, match=r"^Other is not in this application"):
        app.history(Other, "x")


async def test_events_are_typed_and_tell_their_place(app: App) -> None:
    first, second, third = [past async for past in app.history(Counter, "C1").events()]
    assert (first.event, second.event, third.event) == (
        Set("C1", 10), Set("C1", 20), Set("C1", 30),
    )  # fmt: skip
    assert [(past.version, past.position) for past in (first, second, third)] == [
        (1, 1), (2, 3), (3, 4),
    ]  # fmt: skip
    assert [past.time for past in (first, second)] == [START, START + timedelta(hours=2)]
    assert first.about == {"command": "SetTo", "by": "ann"}


@pytest.mark.parametrize(
    ("after", "limit", "versions"),
    [
        (0, None, [1, 2, 3]),
        (1, None, [2, 3]),
        (3, None, []),
        (9, None, []),
        (0, 2, [1, 2]),
        (1, 1, [2]),
        (1, 9, [2, 3]),
        (0, 0, []),
        (-5, 1, [1]),
    ],
)
async def test_some_of_the_events_may_be_asked_for(
    app: App, after: int, limit: int | None, versions: list[int]
) -> None:
    found = app.history(Counter, "C1").events(after=after, limit=limit)
    assert [past.version async for past in found] == versions


@pytest.mark.parametrize("others", [0, 1, 7])
async def test_a_version_is_found_wherever_others_stand(others: int) -> None:
    store = MemoryStore()
    for number in range(23):
        await store.append([commit(new_event("mine", "a")) for _ in range(number % 3)])
        await store.append([commit(new_event("theirs", "b")) for _ in range(others)])
    pages = store.read(in_stream("a"))
    places = [event.position async for page in pages for event in page.events]
    found = [await position_of(store, "a", version) for version in range(len(places) + 3)]
    assert found == [0, *places, places[-1], places[-1]]
    assert await position_of(store, "c", 5) == 0


async def test_the_latest_of_many_events_are_found_without_reading_the_others() -> None:
    store = Observed()
    many = 20 * PAGE_EVENTS
    await store.append([commit(*[new_event("happened", "a")] * many)])
    before = store.events
    assert await position_of(store, "a", many - 3) == many - 3
    assert store.events - before < 20


async def test_what_changed_is_told_by_path(app: App) -> None:
    history = app.history(Counter, "C1")
    assert await history.diff(1, 3) == [
        Changed("value", 10, 30),
        Changed("seen[1]", None, 20),
        Changed("seen[2]", None, 30),
        Changed("half", "5", "15"),
    ]
    assert await history.diff("2026-01-01", 1) == [
        Changed("value", 0, 10),
        Changed("seen[0]", None, 10),
        Changed("half", "0", "5"),
    ]
    assert await history.diff(3, "2026-02-01") == []
    assert (await history.diff(3, 1))[0] == Changed("value", 30, 10)


async def test_events_that_nobody_folds_count(app: App) -> None:
    await app.send(Blink("C1"))
    assert await value(app, 4) == (30, 4)
    assert (await app.history(Counter, "C1").diff(3, 4)) == []


async def test_a_past_of_several_pages_is_one_past(tmp_path: Path) -> None:
    many = 2 * PAGE_EVENTS + 500
    for store in ("memory://", f"sqlite:///{tmp_path / 'long.db'}"):
        async with App("counters", Counter, store=store, read="sqlite://") as app:
            for start in range(0, many, 500):
                events = [
                    new_event("Set", "counter-C1", data=b'{"counter_id":"C1","to":%d}' % (n + 1))
                    for n in range(start, start + 500)
                ]
                await app.running.store.append([commit(*events), commit(new_event("Set", "x-1"))])
            history = app.history(Counter, "C1")
            for version in (0, 1, PAGE_EVENTS, PAGE_EVENTS + 1, many - 1, many):
                state = await history.at(version)
                assert (state.value, state.version, len(state.seen)) == (version,) * 3
            assert (await history.now()).value == many
            assert (await history.at("2100-01-01")).version == many
            versions = [past.version async for past in history.events(after=many - 3)]
            assert versions == [many - 2, many - 1, many]
            around = history.events(after=PAGE_EVENTS - 1, limit=2)
            assert [past.version async for past in around] == [PAGE_EVENTS, PAGE_EVENTS + 1]


async def test_the_past_of_a_decider_is_folded_by_its_function() -> None:
    def set_to(command: SetTo | Blink, value: int) -> list[Set]:
        return [Set(command.counter_id, command.to)] if isinstance(command, SetTo) else []

    def fold(value: int, event: Set) -> int:
        return value + event.to

    counter = Decider("counter", 0, set_to, fold)
    async with App("counters", counter, store="memory://") as app:
        for to in (1, 2, 3):
            await app.send(SetTo("C1", to))
        history = app.history(counter, "C1")
        assert [await history.at(n) for n in range(4)] == [0, 1, 3, 6]
        assert await history.diff(1, 3) == [Changed("", 1, 6)]


async def test_who_looks_at_the_past_only_half_leaves_nothing_open(app: App) -> None:
    async for past in app.history(Counter, "C1").events():
        assert past.version == 1
        break
    await asyncio.sleep(0)


# Plain values and their differences.


def test_text_and_dates_are_moments() -> None:
    assert moment("2026-11-01") == datetime(2026, 11, 1, tzinfo=UTC)
    assert moment(date(2026, 11, 1)) == datetime(2026, 11, 1, tzinfo=UTC)
    assert moment(datetime(2026, 11, 1, 5)) == datetime(2026, 11, 1, 5, tzinfo=UTC)
    assert moment("2026-11-01T05:00+02:00") == datetime(2026, 11, 1, 3, tzinfo=UTC)


class Opaque:
    def __init__(self, inner: Any) -> None:
        self.inner = inner


def test_any_state_has_a_plain_form() -> None:
    assert plain_state({"a": (1, Decimal("1.0")), 2: {"y", "x"}}) == {
        "a": (1, "1.0"),
        "2": ["x", "y"],
    }
    assert plain_state([Opaque({1, "a"}), {"k": Opaque(2)}]) == [
        {"inner": ["a", 1]},
        {"k": {"inner": 2}},
    ]
    assert plain_state({Opaque(1): 1}).__class__ is dict
    assert plain_state(Opaque(print)) == {"inner": "<built-in function print>"}
    assert plain_state(3) == 3
    assert plain_state(Opaque) == repr(Opaque)


def test_the_order_of_a_set_is_no_difference() -> None:
    words = [f"w{n}" for n in range(50)]
    backwards = words[::-1]
    assert plain_state(set(words)) == plain_state(set(backwards))


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {"b": 1}, [("a", 1, None), ("b", None, 1)]),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, [("a.b[1].c", 2, 3)]),
        ({"a": (1, 2)}, {"a": (1, 3)}, [("a[1]", 2, 3)]),
        ({"a": [1]}, {"a": {"b": 1}}, [("a", [1], {"b": 1})]),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ([1, 2, 3], [1], [("[1]", 2, None), ("[2]", 3, None)]),
        (1, 2, [("", 1, 2)]),
    ],
)
def test_differences_have_paths(
    before: Any, after: Any, changes: list[tuple[str, Any, Any]]
) -> None:
    found = [(change.path, change.before, change.after) for change in differences(before, after)]
    assert found == changes
