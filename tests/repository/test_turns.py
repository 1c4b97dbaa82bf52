"""Commands of one stream take turns, in the order of arrival."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence import App
from whence.repository import Turns

from .shop import Add, Rename, stock


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
