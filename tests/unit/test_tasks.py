"""What is ended has come to its end, and whoever ends it can be cancelled all the same."""

import asyncio

import pytest

from whence.tasks import ended


async def test_what_is_ended_has_done_its_last_things() -> None:
    last = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            last.set()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await ended(None, task)
    assert task.cancelled()
    assert last.is_set()


async def test_an_error_of_what_is_ended_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ValueError("nobody wants to know")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await ended(task)
    del task
    assert not caplog.records


async def test_whoever_waits_for_the_end_can_be_cancelled_himself() -> None:
    go_on = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await go_on.wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    ending = asyncio.create_task(ended(task))
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    go_on.set()
    await task
