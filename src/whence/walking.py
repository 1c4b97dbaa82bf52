"""A follower's way along the log: what of it is handled, and what of that is kept."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import monotonic

from whence.envelope import Recorded
from whence.leases import Ownership
from whence.slices import Share
from whence.store import PAGE_EVENTS, EventStore, Page
from whence.subscribers import Follower, Overtaken
from whence.tasks import ended


class Walk:
    """Leads a follower's slices along the log, those that are this process's own."""

    def __init__(self, follower: Follower, store: EventStore, ownership: Ownership) -> None:
        self.position = 0
        """How far it has come, in its own slices."""
        self.share = Share(1, {})
        """What of it is this process's own."""
        self._follower, self._store, self._ownership = follower, store, ownership
        self._joined = 0
        self._saved_at = 0.0

    async def begin(self) -> None:
        """Go to where the slices are that are this process's own now.

        Raises `Overtaken` if there are none any more: somebody has dropped what was there.
        """
        name = self._follower.name
        marks = await self._follower.marks()
        if not marks:
            self.share = Share(1, {})
            raise Overtaken(name)
        if self._joined != len(marks):
            await self._ownership.join(name, len(marks))
            self._joined = len(marks)
            marks = await self._follower.marks()
        self.share = Share.of(marks, await self._ownership.owned(name))
        self.position = self.share.position
        self._saved_at = monotonic()

    async def end(self) -> None:
        """Let others have what was this process's own."""
        joined, self._joined, self.share = self._joined, 0, Share(1, {})
        if joined:
            await self._ownership.leave(self._follower.name)

    async def same(self) -> bool:
        """Whether its slices are still those that it began with."""
        return await self._ownership.owned(self._follower.name) == self.share.epochs

    async def changed(self, timeout: float) -> None:
        """Wait until it has other slices, but no longer than that."""
        await self._ownership.changed(self._follower.name, self.share.epochs, timeout)

    async def pages(self) -> AsyncGenerator[Page]:
        """Every page from here to the head, each after it was handled.

        They end when its slices change, and there are none while it has none.
        """
        if not self.share.marks:
            return
        follower = self._follower
        log = self._store.read(follower.query, after=self.position)
        together = _together(log, follower.at_once)
        async with aclosing(sooner(together, self._store)) as pages:
            async for page in pages:
                if await follower.apply(page, self.share):
                    self._saved_at = monotonic()
                self.position = page.scanned
                await self.save(follower.patience)
                yield page
                if not await self.same():
                    return

    async def save(self, at_least: float = 0.0) -> None:
        """Keep the progress, if there is any that is so many seconds old."""
        if self.unsaved and monotonic() - self._saved_at >= at_least:
            await self._follower.save(self.position, self.share)
            self._saved_at = monotonic()

    @property
    def unsaved(self) -> bool:
        """Whether there is progress that is not kept yet."""
        return bool(self.share.marks) and self.share.position < self.position


def sooner(pages: AsyncGenerator[Page], store: EventStore) -> AsyncGenerator[Page]:
    """The same, `ahead` if it is another process that fetches them.

    In one process, handling and fetching only take the interpreter from each other.
    """
    return ahead(pages) if getattr(store, "remote", False) else pages


async def ahead(pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
    """The same. While a full page is handled, the next is fetched."""
    async with aclosing(pages):
        page = await anext(pages, None)
        while page is not None:
            if len(page.events) < PAGE_EVENTS:
                yield page
                page = await anext(pages, None)
                continue
            fetching = asyncio.ensure_future(anext(pages, None))
            await asyncio.sleep(0)  # so that it has asked before somebody else is busy
            try:
                yield page
                page = await fetching
            finally:
                await ended(fetching)  # whoever comes next comes across the same


async def _together(pages: AsyncIterator[Page], at_once: int) -> AsyncGenerator[Page]:
    """Full pages, of which more will follow, are put together, up to so many events."""
    events, scanned = list[Recorded](), 0
    async for page in pages:
        scanned = page.scanned
        events += page.events
        if len(page.events) < PAGE_EVENTS or len(events) >= at_once:
            yield Page(events, scanned)
            events = []
    if events:
        yield Page(events, scanned)
