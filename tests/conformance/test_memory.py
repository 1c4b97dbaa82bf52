"""The memory store keeps every promise: it is the model of the others."""

import asyncio
import sys
import threading
from collections.abc import Generator
from typing import Any

import pytest

from whence.backends.memory import MemoryStore
from whence.store import ALL, in_stream
from whence.testing.conformance import HandlesConformance, OpenStore, StoreConformance
from whence.testing.conformance.words import append, collect, event


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
    done = threading.Event()

    async def write() -> None:
        for _ in range(300):
            await append(store, *[event(stream="s")] * 20)
        done.set()

    async def read() -> None:
        after = 0
        while not done.is_set():
            for query in (ALL, in_stream("s")):
                assert len(await collect(store.read(query, after=after))) % 20 == 0
            after = await store.head()
            assert after % 20 == 0

    threads = [asyncio.to_thread(asyncio.run, work()) for work in (write, read, read)]
    await asyncio.gather(*threads)
