"""The next page is fetched while one is handled, and nothing is left behind."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from whence.backends.memory import MemoryStore
from whence.envelope import Recorded
from whence.store import PAGE_EVENTS, Page
from whence.walking import ahead, sooner


class Log:
    """Full pages, and a short one at the end; knows how many were asked for."""

    def __init__(self, full: int, fails_at: int = -1) -> None:
        self.asked = 0
        self.closed = False
        self._full, self._fails_at = full, fails_at

    async def pages(self) -> AsyncGenerator[Page]:
        try:
            for number in range(self._full + 1):
                self.asked += 1
                await asyncio.sleep(0)
                if number == self._fails_at:
                    raise ValueError("the log is gone")
                length = PAGE_EVENTS if number < self._full else 1
                yield Page([Recorded(1, "", 0, "It", b"")] * length, number)
        finally:
            self.closed = True


async def test_pages_come_in_order_each_fetched_while_the_one_before_is_handled() -> None:
    log, seen = Log(3), list[tuple[int, int]]()
    async for page in ahead(log.pages()):
        await asyncio.sleep(0.01)
        seen.append((page.scanned, log.asked))
    assert seen == [(0, 2), (1, 3), (2, 4), (3, 4)]


async def test_who_leaves_early_leaves_nothing_behind() -> None:
    log = Log(5)
    async with aclosing(ahead(log.pages())) as pages:
        async for _ in pages:
            break
    assert log.closed
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_comes_after_the_page_before_it() -> None:
    log = Log(3, fails_at=1)
    pages = ahead(log.pages())
    assert (await anext(pages)).scanned == 0
    with pytest.raises(ValueError, match="gone"):
        await anext(pages)
    assert log.closed


async def test_an_error_that_nobody_waits_for_is_no_ones() -> None:
    log = Log(3, fails_at=1)
    async with aclosing(ahead(log.pages())) as pages:
        async for _ in pages:
            await asyncio.sleep(0.01)
            break
    assert log.closed


async def test_in_one_process_nothing_is_fetched_before_it_is_needed() -> None:
    log, seen = Log(3), list[int]()
    async for _ in sooner(log.pages(), MemoryStore()):
        await asyncio.sleep(0.01)
        seen.append(log.asked)
    assert seen == [1, 2, 3, 4]
