"""The memory store keeps every promise: it is the model of the others."""

import asyncio
import sys
import threading
from collections.abc import Generator
from typing import Any

import pytest

from whence.backends.memory import MemoryStore
from whence.store import ALL
from whence.testing.conformance import HandlesConformance, OpenStore, StoreConformance
from whence.testing.conformance.words import append, event


class TestMemory(StoreConformance, HandlesConformance):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        store = MemoryStore()
        return lambda: store


async def test_who_waited_in_an_event_loop_that_has_ended_is_forgotten() -> None:
    store = MemoryStore()
    left: list[object] = []

    def wait_and_leave() -> None:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(unheard)
        left.append(loop.create_task(store.wait(0, 60)))
        loop.call_later(0.01, loop.stop)
        loop.run_forever()
        loop.close()

    await asyncio.to_thread(wait_and_leave)
    await append(store, event())
    assert await store.head() == 1


def unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Complaints about the task that is left behind."""


@pytest.fixture
def hectic() -> Generator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hectic")
async def test_no_commit_is_seen_half() -> None:
    store = MemoryStore()
    enough = threading.Event()

    async def write() -> None:
        while not enough.is_set():
            await append(store, *[event(stream="s")] * 50)

    async def read() -> None:
        while not enough.is_set():
            seen.extend([page.scanned async for page in store.read(ALL, after=seen[-1])])
            if seen[-1] % 50 or seen[-1] > 40_000:
                enough.set()

    seen = [0]
    threads = [asyncio.to_thread(asyncio.run, work) for work in (write(), read())]
    await asyncio.wait_for(asyncio.gather(*threads), 60)
    assert not [position for position in seen if position % 50]
