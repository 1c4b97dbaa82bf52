"""Bringing a rebuild to its end: alone, or together with other processes."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from time import monotonic

from whence.leases import Ownership
from whence.store import EventStore
from whence.subscribers import Build, Finished, Overtaken
from whence.walking import Walk

Progress = Callable[[int, int], None]
"""Told after each page how far a rebuild is: its position, and the head of the log."""

_LOOK = 0.05
"""Seconds between two looks at what others do."""
STALLED = 30.0
"""Seconds without progress after which a build is taken to be left alone by whoever began it."""


class Builder:
    """Finishes builds."""

    def __init__(self, store: EventStore, ownership: Ownership) -> None:
        self._store, self._ownership = store, ownership
        self._busy = 0
        self._turn = asyncio.Lock()
        self._listening: list[Progress] = []

    @property
    def busy(self) -> bool:
        """Whether it is at it."""
        return self._busy > 0

    async def finish(self, build: Build, progress: Progress | None = None) -> None:
        """Bring ``build`` to the head and switch; other processes may be at the same.

        In this process one does it, and the others wait for the outcome: slices are a process's.
        Returns also if there is no such build any more. Raises what stops it.
        """
        listening = [] if progress is None else [progress]
        self._listening += listening
        self._busy += 1
        try:
            async with self._turn:
                await self._finish(build)
        finally:
            self._busy -= 1
            for one in listening:
                self._listening.remove(one)

    async def help(self, build: Build) -> None:
        """Take part in a build that somebody else has begun, as soon as that is of use.

        If it cannot be shared, that is when its beginner has left it alone.
        """
        self._busy += 1
        try:
            with suppress(Finished):
                if len(await build.marks()) > 1 or await self._left_alone(build):
                    await self.finish(build)
        finally:
            self._busy -= 1

    async def _finish(self, build: Build) -> None:
        walk, target = Walk(build, self._store, self._ownership), await self._store.head()
        try:
            with suppress(Finished):
                while not await self._round(build, walk, target):
                    pass
        finally:
            await walk.end()

    async def _round(self, build: Build, walk: Walk, target: int) -> bool:
        """Go to the head once. Whether that was all: it must be as far as ``target`` at least."""
        with suppress(Overtaken):
            await walk.begin()
            async with aclosing(walk.pages()) as pages:
                async for _ in pages:
                    await self._tell(walk.position)
            await walk.save()
            # What it replaces may be empty, and is no measure then.
            if await _position(build) >= target and await build.switch():
                return True
        if walk.share.marks:
            await asyncio.sleep(_LOOK)
        else:
            await walk.changed(_LOOK)
            await self._tell(await _position(build))
        return False

    async def _tell(self, position: int) -> None:
        if self._listening:
            head = max(position, await self._store.head())
            for progress in self._listening:
                progress(position, head)

    async def _left_alone(self, build: Build) -> bool:
        """Whether it does not move for so long that nobody can be at it."""
        seen, since = await build.marks(), monotonic()
        while monotonic() < since + STALLED:
            await asyncio.sleep(STALLED / 10)
            if (now := await build.marks()) != seen:
                seen, since = now, monotonic()
        return True


async def _position(build: Build) -> int:
    """Where the hindmost of its slices is, whosever they are."""
    marks = await build.marks()
    return min((mark.position for mark in marks.values()), default=0)
