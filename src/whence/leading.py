"""Leading a subscriber along the log: from its checkpoint on to the head, and on as that moves.

Catching up is the only path; a store's hint that there is more only shortens the wait.
"""

import asyncio
from contextlib import aclosing, suppress
from time import monotonic

from whence.arrivals import Arrivals
from whence.errors import Behind, StoreError
from whence.leases import Ownership
from whence.rebuilding import Rebuilds
from whence.reporting import Report
from whence.store import EventStore
from whence.subscribers import Halted, Overtaken, Subscriber, Superseded
from whence.tasks import ended
from whence.trouble import Trouble
from whence.walking import Walk

WAIT = 1.0
"""Seconds after which is looked again, even without a hint: at the log, and at what is wanted."""


class Leader:
    """Leads one subscriber, and says how far it has come."""

    def __init__(
        self,
        subscriber: Subscriber,
        store: EventStore,
        ownership: Ownership,
        rebuilds: Rebuilds,
        report: Report,
        trouble: Trouble,
    ) -> None:
        self.arrivals = Arrivals()
        """Those who wait until it has come somewhere."""
        self.has_led = False
        """Whether what is there is of this code: it has followed the log since it began."""
        self._subscriber, self._store = subscriber, store
        self._walk = Walk(subscriber, store, ownership)
        self._rebuilds, self._report, self._trouble = rebuilds, report, trouble
        self._changes = self._known = 0
        self._wake = asyncio.Event()
        self._looked = 0.0

    @property
    def position(self) -> int:
        """How far it has come in the slices that are this process's own."""
        return self._walk.position

    @property
    def leads_all(self) -> bool:
        """Whether these are all slices, and nobody has changed anything since they were found."""
        return self._walk.share.whole and self._known == self._changes

    def wake(self) -> None:
        """Somebody has changed what is there or what is wanted: look at once."""
        self._changes += 1
        self._wake.set()

    async def run(self) -> None:
        """Lead, through whatever stops it meanwhile."""
        while True:
            try:
                await self._lead()
            except Overtaken:
                pass  # what it keeps has gone: make it again
            except Superseded as error:
                self._trouble.superseded(error)
                await self._stand_aside()
            except Halted as halted:
                self._trouble.halt(halted.wanted)
                await self._stand_aside()
            except Exception as error:
                await self._trouble.failed(error)
                await self._woken(self._trouble.pause)

    async def end(self) -> None:
        """Save how far it came, and let others have what was this process's own."""
        with suppress(Exception):  # what is not saved is handled again after the next start
            await self._walk.save()
        await self._walk.end()
        self.has_led = False
        self._trouble.forget()
        name, position = self._subscriber.name, self.position
        self.arrivals.end(lambda wanted: Behind(name, wanted, position, 0.0))

    async def check_log(self) -> None:
        """Raise `StoreError` if what is kept has seen more than there is."""
        standing = await self._subscriber.standing()
        if standing is None or standing.furthest <= (head := await self._store.head()):
            return
        raise StoreError(
            f"{self._subscriber.name} has seen everything up to position {standing.furthest}, but"
            f" the log ends at {head}: the store was restored or replaced. Delete the database of"
            " the read models, and they are made anew"
        )

    async def _lead(self) -> None:
        if self.has_led:  # then code that fits no more is not older than what is there
            await self._subscriber.marks()
        build = await self._subscriber.start()
        await self.check_log()
        if build is not None:
            await self._rebuilds.needed(build)
        await self._follow()

    async def _follow(self) -> None:
        while True:
            changes = self._changes
            await self._walk.begin()
            self.has_led, self._known = True, changes
            self.arrivals.moved(self.position)
            with suppress(Overtaken):
                while self._walk.share.marks and await self._walk.same():
                    await self._catch_up()
                    await self._rest()
            if not self._walk.share.marks:
                await self._walk.changed(WAIT)
                await self._look()

    async def _catch_up(self) -> None:
        async with aclosing(self._walk.pages()) as pages:
            async for _ in pages:
                self.arrivals.moved(self.position)
                self._report.moved(self.position)
                await self._trouble.goes_well()
                await self._look()
        await self._trouble.goes_well()

    async def _rest(self) -> None:
        """Wait for more; save what progress there is if nothing comes."""
        patience = self._subscriber.patience
        await self._hint(patience if self._walk.unsaved else WAIT)
        await self._walk.save(patience)
        await self._look()

    async def _hint(self, timeout: float) -> None:
        """Wait until there may be more, or something else to do."""
        more = asyncio.ensure_future(self._store.wait(self.position, timeout))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((more, woken), return_when=asyncio.FIRST_COMPLETED)
            if more.done():
                await more
        finally:
            await ended(more, woken)

    async def _look(self) -> None:
        """Look, now and then, whether anybody has changed anything, or has begun a rebuild."""
        if monotonic() < self._looked + WAIT and not self._wake.is_set():
            return
        self._wake.clear()
        marks = await self._subscriber.marks()
        self._looked = monotonic()
        if any(marks.get(number) != mark for number, mark in self._walk.share.marks.items()):
            raise Overtaken(self._subscriber.name)
        await self._rebuilds.look()

    async def _stand_aside(self) -> None:
        """Wait until people want it to run, and what is there is of this code."""
        await self._walk.end()
        await self._woken(WAIT)
        while await self._is_kept_aside():
            await self._woken(WAIT)
        self._trouble.over()

    async def _is_kept_aside(self) -> bool:
        try:
            await self._subscriber.marks()
        except Halted:
            return True
        except Superseded:
            return self.has_led
        except Exception:  # whoever leads comes across the same, and says so
            return False
        return False

    async def _woken(self, timeout: float) -> None:
        """Wait until somebody has changed anything, but no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()
