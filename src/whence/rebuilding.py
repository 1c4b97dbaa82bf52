"""The rebuilds of one subscriber that this process takes part in."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from whence.building import Builder, Progress
from whence.errors import WhenceError
from whence.leases import Ownership
from whence.store import EventStore
from whence.subscribers import Build, Halted, Subscriber
from whence.tasks import ended
from whence.trouble import Trouble

log = logging.getLogger("whence")

_POLL = 0.1
"""Seconds between two looks at what is filled again in place."""


class Rebuilds:
    """Those that it begins itself, those that were broken off, and those of other processes."""

    def __init__(
        self, subscriber: Subscriber, store: EventStore, ownership: Ownership, trouble: Trouble
    ) -> None:
        self._subscriber, self._store, self._trouble = subscriber, store, trouble
        self._builder = Builder(store, ownership)
        self._helping: asyncio.Task[None] | None = None

    async def beside(self, build: Build, progress: Progress | None) -> None:
        """Make what is there anew, beside it. Raises what stops it, or that it was cancelled."""
        await self._builder.finish(build, progress)
        standing = await self._subscriber.standing()
        if standing is None or standing.generation < build.generation:
            raise WhenceError(f"the rebuild of {self._subscriber.name} was cancelled")

    async def in_place(
        self, build: Build, reached: Callable[[], Awaitable[int]], progress: Progress | None
    ) -> None:
        """Wait until those who follow the log have filled again what was emptied.

        What stopped them before it began may be over.
        """
        before = self._trouble.error
        while not await build.switch():
            error, halted = self._trouble.error, self._trouble.halted
            if error is not None and error is not before:
                raise error
            if halted is not None:
                raise Halted(halted)
            if progress is not None:
                progress(await reached(), await self._store.head())
            await asyncio.sleep(_POLL)

    async def needed(self, build: Build) -> None:
        """Finish what was broken off, or what has to be there before anything else is done."""
        log.warning("%s is rebuilt from the first event on", self._subscriber.name)
        await self._builder.finish(build)
        log.warning("%s is rebuilt", self._subscriber.name)

    async def take_part(self) -> bool:
        """Take part in one that is under way until it is finished. False: there is none."""
        build = await self._subscriber.building()
        if build is None:
            return False
        await self._builder.finish(build)
        return True

    async def look(self) -> None:
        """Help with one that somebody else has begun, if there is any, beside other work."""
        build = None if self._builder.busy else await self._subscriber.building()
        if build is not None:
            self._helping = asyncio.create_task(self._help(build), name=f"whence: {build.name}")

    async def end(self) -> None:
        """Help no more."""
        await ended(self._helping)
        self._helping = None

    async def _help(self, build: Build) -> None:
        try:
            await self._builder.help(build)
        except Exception as error:
            log.error("%s cannot be rebuilt: %s", self._subscriber.name, error, exc_info=error)
