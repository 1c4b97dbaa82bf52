"""Delivering the log: each subscriber's way through it, from its checkpoint to the head and on.

Catching up is the only path; a store's hint that there is more only shortens the wait.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Literal, Protocol

from whence.errors import Behind
from whence.store import EventQuery, EventStore, Page

log = logging.getLogger("whence")

State = Literal["new", "catching up", "live", "failed", "rebuilding", "stopped"]

_IDLE = 0.1
"""Seconds without a matching event after which the progress is saved."""
_POLL = (0.005, 0.1)
_BACK_OFF = (0.1, 30.0)


class Overtaken(Exception):
    """Somebody else has moved the checkpoint: read it again, and go on from there."""


class Subscriber(Protocol):
    """Takes the log page by page, and keeps how far it has come beside what it makes of it."""

    @property
    def name(self) -> str:
        """Unique among those that keep their checkpoints in one place."""
        ...

    @property
    def query(self) -> EventQuery:
        """Which part of the log it takes."""
        ...

    async def start(self) -> int:
        """Get ready; return the checkpoint."""
        ...

    async def checkpoint(self) -> int:
        """The position up to which everything is handled and kept."""
        ...

    async def apply(self, page: Page, after: int) -> bool:
        """Handle ``page`` and move the checkpoint from ``after`` to its end, both or neither.

        False: nothing in it concerns this subscriber, and nothing was written.
        Raises `Overtaken` if the checkpoint is not at ``after`` any more.
        """
        ...

    async def save(self, position: int, after: int) -> None:
        """Move the checkpoint from ``after`` to ``position``. Raises `Overtaken` likewise."""
        ...


@dataclass(frozen=True, slots=True)
class Status:
    """Where a subscription is."""

    name: str
    state: State
    position: int
    head: int
    rate: float = 0.0
    """Events per second while it last had something to do."""
    error: str | None = None

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
        self._state: State = "new"
        self._error: BaseException | None = None
        self._position = 0
        self._saved = 0
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    async def start(self) -> None:
        """Begin to follow the log."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"whence: {self.name}")

    async def stop(self) -> None:
        """Finish the page at hand and stop."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            self._state = "stopped"

    async def status(self) -> Status:
        """Where it is now."""
        head = await self._store.head()
        position = self._position
        if self._task is None:
            position = await self.subscriber.checkpoint()
        return Status(
            self.name, self._state, position, head, error=str(self._error) if self._error else None
        )

    async def reached(self, position: int, timeout: float) -> None:
        """Return as soon as everything up to ``position`` is handled. Raises `Behind`."""
        if self._task is None:
            await self._poll(position, timeout)
        elif self._position < position:
            done = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (position, next(self._order), done))
            try:
                await asyncio.wait_for(done, timeout)
            except TimeoutError:
                raise Behind(self.name, position, self._position, timeout) from self._error

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
        pause, longest = _BACK_OFF
        while True:
            try:
                self._moved(await self.subscriber.start(), saved=True)
                pause, _ = _BACK_OFF
                await self._follow()
            except Overtaken:
                continue
            except Exception as error:
                self._state, self._error = "failed", error
                log.exception("%s stands still at position %s", self.name, self._position)
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)

    async def _follow(self) -> None:
        while True:
            self._state = "catching up"
            await self._catch_up()
            self._state = "live"
            if self._saved == self._position:
                await self._store.wait(self._position, 60.0)
            else:
                await self._store.wait(self._position, _IDLE)

    async def _catch_up(self) -> None:
        async for page in self._store.read(self.subscriber.query, after=self._position):
            wrote = await self.subscriber.apply(page, self._saved)
            self._error = None
            self._moved(page.scanned, saved=wrote)

    def _moved(self, position: int, *, saved: bool) -> None:
        self._position = position
        if saved:
            self._saved = position
        while self._waiting and self._waiting[0][0] <= position:
            _, _, done = heappop(self._waiting)
            if not done.done():
                done.set_result(None)


class Subscriptions:
    """All subscriptions of one process."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._all: dict[str, Subscription] = {}

    def add(self, subscriber: Subscriber) -> Subscription:
        """Take in a subscriber."""
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
