"""Times are found in the log as positions."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.backends.memory import MemoryStore
from whence.envelope import NewEvent, to_micros
from whence.sending import Receipt
from whence.store import Commit, EventStore
from whence.temporal import position_of, when

START = datetime(2026, 1, 1, tzinfo=UTC)


async def filled(seconds: list[int]) -> MemoryStore:
    """A log with an event so many seconds after the start each."""
    store = MemoryStore()
    for number, second in enumerate(seconds):
        micros = to_micros(START + timedelta(seconds=second))
        await store.append([Commit(f"c{number}", [NewEvent("x", b"{}", micros=micros)])])
    return store


async def reached(store: EventStore, second: float) -> int:
    return await position_of(store, START + timedelta(seconds=second))


async def test_the_last_event_that_is_not_later_counts() -> None:
    store = await filled([0, 10, 10, 20])

    assert [await reached(store, at) for at in (-1, 0, 9.9, 10, 15, 20, 99)] == [
        0,
        1,
        1,
        3,
        3,
        4,
        4,
    ]


async def test_an_empty_log_has_reached_nothing() -> None:
    assert await reached(MemoryStore(), 0) == 0


@given(steps=st.lists(st.integers(0, 3), max_size=40), second=st.integers(-1, 60))
def test_it_is_the_place_before_the_first_later_event(steps: list[int], second: int) -> None:
    seconds = [sum(steps[: n + 1]) for n in range(len(steps))]

    async def found() -> int:
        return await reached(await filled(seconds), second)

    assert asyncio.run(found()) == sum(1 for one in seconds if one <= second)


@given(
    steps=st.lists(st.integers(0, 3), min_size=1, max_size=40),
    more=st.lists(st.integers(1, 3), max_size=90),
)
def test_the_answer_for_a_moment_of_the_past_stays(steps: list[int], more: list[int]) -> None:
    seconds = [sum(steps[: n + 1]) for n in range(len(steps))]
    later = [seconds[-1] + sum(more[: n + 1]) for n in range(len(more))]

    async def found(log: list[int], second: int) -> int:
        return await reached(await filled(log), second)

    for second in {seconds[0], seconds[len(seconds) // 2], seconds[-1]}:
        assert asyncio.run(found(seconds, second)) == asyncio.run(found(seconds + later, second))


async def test_clocks_that_disagree_lead_to_a_place_nearby() -> None:
    store = await filled([0, 10, 9, 20, 19, 30])

    assert [await reached(store, at) for at in (9, 19, 25)] == [1, 3, 5]


def test_a_moment_is_a_position_or_a_time() -> None:
    assert when(5) == 5
    assert when(Receipt(7, {})) == 7
    assert when("2026-01-01") == START
    assert when(START.date()) == START
    assert when(START.replace(tzinfo=None)) == START
    with pytest.raises(ValueError, match="positions count from 1"):
        when(-1)
