"""Faults in the order and the time at which events are seen."""

import asyncio
from typing import ClassVar

from whence.store import Page
from whence.testing.conformance import Boundaries, HeadAndWaiting, NothingMissed, Suite
from whence.testing.faults.faulty import Faulty


class ShowsLate(Faulty):
    """Shows an event only after others that come behind it."""

    caught_by: ClassVar[type[Suite]] = Boundaries
    every: ClassVar[int] = 3

    async def page(self, page: Page, backwards: bool) -> Page:
        late = await self._right.head() - 1
        seen = [e for e in page.events if e.position != late or late % self.every]
        return Page(seen, page.scanned)


class ShowsLateToFollowers(ShowsLate):
    """The same, seen by one who follows."""

    caught_by: ClassVar[type[Suite]] = NothingMissed
    every: ClassVar[int] = 1


class HeadLags(Faulty):
    """The head is where it was one event ago."""

    caught_by: ClassVar[type[Suite]] = HeadAndWaiting

    async def head(self) -> int:
        return max(await self._right.head() - 1, 0)


class SleepsThrough(Faulty):
    """Nobody who waits is woken."""

    caught_by: ClassVar[type[Suite]] = HeadAndWaiting

    async def wait(self, after: int, timeout: float) -> None:
        await asyncio.sleep(timeout)
