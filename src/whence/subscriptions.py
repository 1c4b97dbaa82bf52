"""Delivering the log: a `Subscription` for each subscriber, from its checkpoint on to the head.

Catching up is the only path; a store's hint that there is more only shortens the wait.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Literal

from whence.errors import Behind, WiringError
from whence.store import EventStore
from whence.subscribers import SAVE, Build, Finished, Overtaken, Subscriber, Walk

log = logging.getLogger("whence")

State = Literal["new", "catching up", "live", "failed", "rebuilding", "stopped"]
Progress = Callable[[int, int], None]
"""Told after each page how far a rebuild is: its position, and the head of the log."""

_WAIT = 5.0
"""Seconds after which the log is read again, even without a hint."""
_POLL = (0.005, 0.1)
"""Seconds between two looks at another process's checkpoint, at first and at last."""
_BACK_OFF = (0.1, 30.0)
"""Seconds between two attempts after an error, at first and at last."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a subscription is."""

    name: str
    state: State
    position: int
    head: int
    rate: float = 0.0
    """Events per second, when it last had something to do."""
    error: str | None = None
    """Why it stands still, if it does."""

    @property
    def lag(self) -> int:
        """How many positions it is behind."""
        return max(self.head - self.position, 0)


class Subscription:
    """One subscriber's way through the log, as a task."""

    def __init__(self, subscriber: Subscriber, store: EventStore) -> None:
        self.subscriber = subscriber
        self.name = subscriber.name
        self._store = store
        self._walk = Walk(subscriber, store)
        self._state: State = "new"
        self._error: Exception | None = None
        self._pause = _BACK_OFF[0]
        self._rate = 0.0
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = count()

    async def start(self) -> None:
        """Begin to follow the log."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"whence: {self.name}")

    async def stop(self) -> None:
        """Stop following, and save how far it came."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        with suppress(Exception):  # what is not saved is handled again after the next start
            await self._walk.save()
        self._state = "stopped"
        while self._waiting:
            self._answer(Behind(self.name, self._waiting[0][0], self._walk.position, 0.0))

    async def status(self) -> Status:
        """Where it is now, also if another process does the work."""
        head = await self._store.head()
        if self._task is not None:
            error = str(self._error) if self._error else None
            return Status(self.name, self._state, self._walk.position, head, self._rate, error)
        position = await self.subscriber.checkpoint()
        error = await self.subscriber.problem()
        state: State = "failed" if error else "live" if position >= head else "catching up"
        return Status(self.name, state, position, head, error=error)

    async def reached(self, position: int, timeout: float) -> None:
        """Return as soon as everything up to ``position`` is handled. Raises `Behind`."""
        if self._task is None:
            await self._poll(position, timeout)
        elif self._walk.position < position:
            done = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (position, next(self._number), done))
            try:
                await asyncio.wait_for(done, timeout)
            except TimeoutError:
                reached = self._walk.position
                raise Behind(self.name, position, reached, timeout) from self._error

    async def rebuild(self, progress: Progress | None = None) -> None:
        """Make everything anew, beside what is there if possible; return when it has caught up.

        Raises what stops it. What was there is then still there, unless the subscriber can only
        be rebuilt in place: then it goes on where it stopped, once the cause is gone.
        """
        build = await self.subscriber.rebuild()
        pause = build.in_place and self._task is not None
        if pause:
            await self.stop()
        try:
            await self._finish(build, progress)
        finally:
            if pause:
                await self.start()

    async def _poll(self, position: int, timeout: float) -> None:
        """Another process does the work: look how far it has come."""
        pause, longest = _POLL
        end = monotonic() + timeout
        while (reached := await self.subscriber.checkpoint()) < position:
            if monotonic() + pause > end:
                raise Behind(self.name, position, reached, timeout)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, longest)

    async def _run(self) -> None:
        while True:
            try:
                build = await self.subscriber.start()
                if build is not None:
                    self._state = "rebuilding"
                    log.warning("%s is rebuilt from the first event on", self.name)
                    await self._finish(build)
                    log.warning("%s is rebuilt", self.name)
                await self._follow()
            except Exception as error:
                await self._failed(error)
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, _BACK_OFF[1])

    async def _follow(self) -> None:
        while True:
            await self._walk.begin()
            self._moved()
            with suppress(Overtaken):
                while True:
                    await self._catch_up()
                    await self._rest()

    async def _catch_up(self) -> None:
        if self._error is None:
            self._state = "catching up"
        started = monotonic()
        async for page in self._walk.pages():
            self._moved()
            self._going_well()
            now = monotonic()
            self._rate = len(page.events) / max(now - started, 1e-6)
            started = now
        self._going_well()
        self._state = "live"

    async def _rest(self) -> None:
        """Wait for more; save what progress there is if nothing comes."""
        unsaved = self._walk.unsaved
        await self._store.wait(self._walk.position, SAVE if unsaved else _WAIT)
        await self._walk.save(SAVE)

    async def _finish(self, build: Build, progress: Progress | None = None) -> None:
        """Bring ``build`` to the head and switch; others may be building the same."""
        walk = Walk(build, self._store)
        with suppress(Finished):
            while True:
                with suppress(Overtaken):
                    await walk.begin()
                    async for _ in walk.pages():
                        if progress is not None:
                            progress(walk.position, max(walk.position, await self._store.head()))
                    await walk.save()
                    if await build.switch():
                        return

    async def _failed(self, error: Exception) -> None:
        news = str(error) != str(self._error)
        self._state, self._error = "failed", error
        if news:
            log.error("%s stands still: %s", self.name, error, exc_info=error)
            with suppress(Exception):  # its database may be the very problem
                await self.subscriber.note(str(error))

    def _going_well(self) -> None:
        self._error, self._pause = None, _BACK_OFF[0]

    def _moved(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._walk.position:
            self._answer(None)

    def _answer(self, error: Behind | None) -> None:
        """Answer the one that waits for the lowest position."""
        _, _, done = heappop(self._waiting)
        if done.done():  # it waits no more
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


class Subscriptions:
    """All subscriptions of one process."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._all: dict[str, Subscription] = {}

    def add(self, subscriber: Subscriber) -> Subscription:
        """Take in a subscriber. Raises `WiringError` if its name is taken."""
        if subscriber.name in self._all:
            raise WiringError(
                f"two read models or projections are called {subscriber.name!r}:"
                ' give one another name, as in class ...(ReadModel, name="...")'
            )
        found = self._all[subscriber.name] = Subscription(subscriber, self._store)
        return found

    @property
    def by_name(self) -> Mapping[str, Subscription]:
        """Each subscription by the name of its subscriber."""
        return self._all

    async def start(self) -> None:
        """Start them all."""
        for one in self._all.values():
            await one.start()

    async def stop(self) -> None:
        """Stop them all."""
        await asyncio.gather(*(one.stop() for one in self._all.values()))

    async def status(self) -> list[Status]:
        """Where each of them is."""
        return [await one.status() for one in self._all.values()]
