"""Delivering the log: a `Subscription` for each subscriber, as a task of this process."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic

from whence.building import Progress
from whence.clock import Clock, SystemClock
from whence.errors import Behind, WhenceError, WiringError
from whence.leading import WAIT, Leader
from whence.leases import Everything, Ownership
from whence.rebuilding import Rebuilds
from whence.reporting import Owners, Report
from whence.status import Status
from whence.store import EventStore
from whence.subscribers import Halted, Subscriber
from whence.tasks import ended
from whence.trouble import Trouble

_POLL = (0.005, 0.1)
"""Seconds between two looks at another process's checkpoint, at first and at last."""


class Subscription:
    """One subscriber that follows the log, here or in another process."""

    def __init__(
        self,
        subscriber: Subscriber,
        store: EventStore,
        ownership: Ownership | None = None,
        clock: Clock | None = None,
        owners: Owners | None = None,
    ) -> None:
        self.subscriber = subscriber
        self.name = subscriber.name
        ownership = ownership or Everything()
        self.can_be_shared = not isinstance(ownership, Everything)
        """Whether several processes can lead it at once, each some of its slices."""
        self._store = store
        self._trouble = Trouble(subscriber)
        self._report = Report(subscriber, store, clock or SystemClock(), owners)
        self._rebuilds = Rebuilds(subscriber, store, ownership, self._trouble)
        self._leader = Leader(
            subscriber, store, ownership, self._rebuilds, self._report, self._trouble
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow the log. From now on it can be asked, if only for nothing."""
        if self._task is not None:
            return
        with suppress(Exception):  # the task comes across the same, and says so
            await self.subscriber.start()
        if self._task is None:
            self._task = asyncio.create_task(self._leader.run(), name=f"whence: {self.name}")

    async def stop(self) -> None:
        """Stop following, and save how far it came."""
        if self._task is None:
            return
        await ended(self._task)
        await self._rebuilds.end()  # last: the other one may have begun it a moment ago
        self._task = None
        await self._leader.end()

    async def status(self) -> Status:
        """Where it is now, also if another process does the work."""
        handled = self._leader.position if self._leads_all else None
        return await self._report.status(handled, self._trouble.error)

    async def reached(self, position: int, timeout: float) -> None:
        """Return as soon as everything up to ``position`` is handled. Raises `Behind`."""
        end, (pause, longest) = monotonic() + timeout, _POLL
        while (reached := await self._reached()) < position:
            left = end - monotonic()
            if left <= 0:
                trouble = self._trouble
                raise Behind(
                    self.name, position, reached, timeout, trouble.halted
                ) from trouble.error
            if self._leads_all:
                await self._leader.arrivals.at(position, min(left, WAIT))
            else:  # another process does some of the work: look how far it has come
                await asyncio.sleep(min(pause, left))
                pause = min(pause * 1.5, longest)

    async def rebuild(self, progress: Progress | None = None) -> None:
        """Make everything anew, beside what is there if possible; return when it has caught up.

        Raises what stops it. What was there is then still there, unless the subscriber can only
        be rebuilt in place: then it goes on where it stopped, once the cause is gone.
        """
        await self._leader.check_log()
        try:
            build = await self.subscriber.rebuild(await self._store.head())
            self.wake()
            if build.in_place and self._task is not None:
                await self._rebuilds.in_place(build, self._reached, progress)
            else:
                await self._rebuilds.beside(build, progress)
        except Halted as halted:
            raise WhenceError(f"{self.name} is {halted.wanted}: resume it first") from halted

    async def take_part(self) -> bool:
        """Take part in a rebuild until it is finished. False: there is none."""
        return await self._rebuilds.take_part()

    def wake(self) -> None:
        """Somebody has changed what is there or what is wanted: look at once."""
        self._leader.wake()

    @property
    def _leads_all(self) -> bool:
        return self._task is not None and self._leader.leads_all

    async def _reached(self) -> int:
        if self._leads_all:
            return self._leader.position
        if self._task is None or self._leader.has_led:
            return await self.subscriber.checkpoint()
        # What is there may be of other code, or of another log, and is made anew first.
        halted = self._trouble.halted is not None
        standing = await self.subscriber.standing() if halted else None
        ours = standing is not None and standing.shape == self.subscriber.shape
        return standing.position if standing is not None and ours else 0


class Subscriptions:
    """All subscriptions of one process."""

    def __init__(self, store: EventStore, clock: Clock | None = None) -> None:
        self._store, self._clock = store, clock
        self._all: dict[str, Subscription] = {}

    def add(
        self,
        subscriber: Subscriber,
        ownership: Ownership | None = None,
        owners: Owners | None = None,
    ) -> Subscription:
        """Take in a subscriber. Raises `WiringError` if its name is taken."""
        if subscriber.name in self._all:
            raise WiringError(
                f"two read models or projections are called {subscriber.name!r}:"
                ' give one another name, as in class ...(ReadModel, name="...")'
            )
        found = Subscription(subscriber, self._store, ownership, self._clock, owners)
        self._all[subscriber.name] = found
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
