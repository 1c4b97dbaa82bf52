"""Delivering the log: a `Subscription` for each subscriber, from its checkpoint on to the head.

Catching up is the only path; a store's hint that there is more only shortens the wait.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing, suppress
from time import monotonic

from whence.arrivals import Arrivals
from whence.building import Builder, Progress
from whence.clock import Clock, SystemClock
from whence.errors import Behind, StoreError, WhenceError, WiringError
from whence.leases import Everything, Ownership
from whence.reporting import Owners, Report
from whence.status import Status, Wanted
from whence.store import EventStore
from whence.subscribers import Build, Halted, Overtaken, Subscriber, Superseded
from whence.walking import Walk

log = logging.getLogger("whence")

_WAIT = 1.0
"""Seconds after which is looked again, even without a hint: at the log, and at what is wanted."""
_POLL = (0.005, 0.1)
"""Seconds between two looks at another process's checkpoint, at first and at last."""
_PAUSES = (0.1, 0.5, 2.0, 5.0, 10.0)
"""Seconds between two attempts after an error; the last one is repeated for ever."""


class Subscription:
    """One subscriber's way through the log, as a task."""

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
        self._store = store
        ownership = ownership or Everything()
        self._walk = Walk(subscriber, store, ownership)
        self._shared = not isinstance(ownership, Everything)
        self._builder = Builder(store, ownership)
        self._report = Report(subscriber, store, clock or SystemClock(), owners)
        self._error: Exception | None = None
        self._halted: Wanted | None = None
        self._failures = 0
        self._well = self._led = False
        self._looked = 0.0
        self._changes = self._known = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._helping: asyncio.Task[None] | None = None
        self._arrivals = Arrivals()

    async def start(self) -> None:
        """Begin to follow the log. From now on it can be asked, if only for nothing."""
        if self._task is not None:
            return
        with suppress(Exception):  # the task comes across the same, and says so
            await self.subscriber.start()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"whence: {self.name}")

    async def stop(self) -> None:
        """Stop following, and save how far it came."""
        if self._task is None:
            return
        await _ended(self._task)
        await _ended(self._helping)  # last: the other one may have begun it a moment ago
        self._task = self._helping = None
        with suppress(Exception):  # what is not saved is handled again after the next start
            await self._walk.save()
        position = self._walk.position
        await self._walk.end()
        self._led = self._well = False
        self._arrivals.end(lambda wanted: Behind(self.name, wanted, position, 0.0))

    async def status(self) -> Status:
        """Where it is now, also if another process does the work."""
        handled = self._walk.position if self._leads_all else None
        return await self._report.status(handled, self._error)

    async def reached(self, position: int, timeout: float) -> None:
        """Return as soon as everything up to ``position`` is handled. Raises `Behind`."""
        end, (pause, longest) = monotonic() + timeout, _POLL
        while (reached := await self._reached()) < position:
            left = end - monotonic()
            if left <= 0:
                halted = self._halted
                raise Behind(self.name, position, reached, timeout, halted) from self._error
            if self._leads_all:
                await self._arrivals.at(position, min(left, _WAIT))
            else:  # another process does some of the work: look how far it has come
                await asyncio.sleep(min(pause, left))
                pause = min(pause * 1.5, longest)

    async def rebuild(self, progress: Progress | None = None) -> None:
        """Make everything anew, beside what is there if possible; return when it has caught up.

        Raises what stops it. What was there is then still there, unless the subscriber can only
        be rebuilt in place: then it goes on where it stopped, once the cause is gone.
        """
        await self._check_log()
        try:
            await self._rebuild(progress)
        except Halted as halted:
            raise WhenceError(f"{self.name} is {halted.wanted}: resume it first") from halted

    async def take_part(self) -> bool:
        """Take part in a rebuild until it is finished. False: there is none."""
        build = await self.subscriber.building()
        if build is None:
            return False
        await self._builder.finish(build)
        return True

    @property
    def can_be_shared(self) -> bool:
        """Whether several processes can lead it at once, each some of its slices."""
        return self._shared

    def wake(self) -> None:
        """Somebody has changed what is there or what is wanted: look at once."""
        self._changes += 1
        self._wake.set()

    @property
    def _leads_all(self) -> bool:
        return self._task is not None and self._walk.share.whole and self._known == self._changes

    async def _reached(self) -> int:
        if self._leads_all:
            return self._walk.position
        if self._task is None or self._led:
            return await self.subscriber.checkpoint()
        # What is there may be of other code, or of another log, and is made anew first.
        standing = await self.subscriber.standing() if self._halted is not None else None
        ours = standing is not None and standing.shape == self.subscriber.shape
        return standing.position if standing is not None and ours else 0

    async def _rebuild(self, progress: Progress | None) -> None:
        build, before = await self.subscriber.rebuild(await self._store.head()), self._error
        self.wake()
        if build.in_place and self._task is not None:
            await self._refilled(build, before, progress)
            return
        await self._builder.finish(build, progress)
        standing = await self.subscriber.standing()
        if standing is None or standing.generation < build.generation:
            raise WhenceError(f"the rebuild of {self.name} was cancelled")

    async def _refilled(
        self, build: Build, before: Exception | None, progress: Progress | None
    ) -> None:
        """Wait until those who follow the log have filled again what was emptied.

        What stopped them ``before`` may be over.
        """
        while not await build.switch():
            if self._error is not None and self._error is not before:
                raise self._error
            if self._halted is not None:
                raise Halted(self._halted)
            if progress is not None:
                progress(await self._reached(), await self._store.head())
            await asyncio.sleep(_POLL[1])

    async def _run(self) -> None:
        while True:
            try:
                await self._lead()
            except Overtaken:
                pass  # what it keeps has gone: make it again
            except Superseded as error:
                self._error = WhenceError(
                    f"{self.name} is led by other code now, another version of the application:"
                    " this process does nothing more for it. Run the same version everywhere"
                )
                log.error("%s", self._error, exc_info=error)
                await self._stand_aside()
            except Halted as halted:
                self._error, self._halted = None, halted.wanted
                await self._stand_aside()
            except Exception as error:
                await self._failed(error)
                await self._woken(_PAUSES[min(self._failures, len(_PAUSES)) - 1])

    async def _lead(self) -> None:
        if self._led:  # then code that fits no more is not older than what is there
            await self.subscriber.marks()
        build = await self.subscriber.start()
        await self._check_log()
        if build is not None:
            log.warning("%s is rebuilt from the first event on", self.name)
            await self._builder.finish(build)
            log.warning("%s is rebuilt", self.name)
        await self._follow()

    async def _check_log(self) -> None:
        """Raise `StoreError` if what is kept has seen more than there is."""
        standing = await self.subscriber.standing()
        if standing is None or standing.furthest <= (head := await self._store.head()):
            return
        raise StoreError(
            f"{self.name} has seen everything up to position {standing.furthest}, but the log"
            f" ends at {head}: the store was restored or replaced. Delete the database of the"
            " read models, and they are made anew"
        )

    async def _follow(self) -> None:
        while True:
            changes = self._changes
            await self._walk.begin()
            self._led, self._known = True, changes
            self._arrivals.moved(self._walk.position)
            with suppress(Overtaken):
                while self._walk.share.marks and await self._walk.same():
                    await self._catch_up()
                    await self._rest()
            if not self._walk.share.marks:
                await self._walk.changed(_WAIT)
                await self._look()

    async def _catch_up(self) -> None:
        async with aclosing(self._walk.pages()) as pages:
            async for _ in pages:
                self._arrivals.moved(self._walk.position)
                self._report.moved(self._walk.position)
                await self._goes_well()
                await self._look()
        await self._goes_well()

    async def _rest(self) -> None:
        """Wait for more; save what progress there is if nothing comes."""
        patience = self.subscriber.patience
        await self._hint(patience if self._walk.unsaved else _WAIT)
        await self._walk.save(patience)
        await self._look()

    async def _hint(self, timeout: float) -> None:
        """Wait until there may be more, or something else to do."""
        more = asyncio.ensure_future(self._store.wait(self._walk.position, timeout))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((more, woken), return_when=asyncio.FIRST_COMPLETED)
            if more.done():
                await more
        finally:
            more.cancel()
            woken.cancel()

    async def _look(self) -> None:
        """Look, now and then, whether anybody has changed anything, or has begun a rebuild."""
        if monotonic() < self._looked + _WAIT and not self._wake.is_set():
            return
        self._wake.clear()
        marks = await self.subscriber.marks()
        self._looked = monotonic()
        if any(marks.get(number) != mark for number, mark in self._walk.share.marks.items()):
            raise Overtaken(self.name)
        build = None if self._builder.busy else await self.subscriber.building()
        if build is not None:
            self._helping = asyncio.create_task(self._help(build), name=f"whence: {build.name}")

    async def _help(self, build: Build) -> None:
        try:
            await self._builder.help(build)
        except Exception as error:
            log.error("%s cannot be rebuilt: %s", self.name, error, exc_info=error)

    async def _stand_aside(self) -> None:
        """Wait until people want it to run, and what is there is of this code."""
        await self._walk.end()
        await self._woken(_WAIT)
        while await self._is_kept_aside():
            await self._woken(_WAIT)
        self._error = self._halted = None

    async def _is_kept_aside(self) -> bool:
        try:
            await self.subscriber.marks()
        except Halted:
            return True
        except Superseded:
            return self._led
        except Exception:  # whoever leads comes across the same, and says so
            return False
        return False

    async def _woken(self, timeout: float) -> None:
        """Wait until somebody has changed anything, but no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()

    async def _failed(self, error: Exception) -> None:
        news = str(error) != str(self._error)
        self._error, self._well = error, False
        self._failures += 1
        if news:
            log.error("%s stands still: %s", self.name, error, exc_info=error)
        with suppress(Exception):  # its database may be the very problem
            await self.subscriber.note(str(error))

    async def _goes_well(self) -> None:
        if not self._well:
            await self.subscriber.note(None)
            self._error, self._failures, self._well = None, 0, True


async def _ended(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


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
