"""This process's share of the projections on one database: see `Ownership`.

A task looks at what all workers know of one another, puts off the end of this worker's time,
takes what is free up to its fair share, and gives back what is above it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from whence.backends.sql.board import Holder
from whence.backends.sql.rounds import Rounds, Standing
from whence.leases import Epochs, spans
from whence.subscribers import Overtaken
from whence.tasks import ended

log = logging.getLogger("whence")

LEASE = 5.0
"""Seconds on the database's clock after which a worker that does not renew its leases is dead."""
_LOOK = (0.05, 0.5)
"""Seconds between two looks: while slices change hands, and when everybody has his share."""


def elapsed() -> float:
    """Seconds on a clock that nobody sets, and that runs on while the machine is asleep."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class Counts:
    """How many slices have changed hands, as this process has seen it."""

    taken: int = 0
    given_back: int = 0
    lost: int = 0
    """Since this process was too slow, asleep or cut off."""


class Leases:
    """An `Ownership` that is shared with other processes through tables of a database.

    ``engine`` is for nothing else, so that renewing never waits behind what projections write.
    """

    def __init__(
        self, engine: Engine, *, seconds: float = LEASE, clock: Callable[[], float] = elapsed
    ) -> None:
        self.counts = Counts()
        self._engine, self._seconds, self._clock = engine, seconds, clock
        self._rounds = Rounds(engine, seconds, clock)
        self._wanted: dict[str, int] = {}
        self._owned: dict[str, Epochs] = {}
        self._doubtful: set[str] = set()
        self._turn = asyncio.Lock()
        self._wake, self._news = asyncio.Event(), asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        self._trouble: str | None = None
        self._life: tuple[asyncio.Task[None], ThreadPoolExecutor] | None = None
        self._ending = set[asyncio.Task[None]]()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = set[asyncio.Future[list[Holder]]]()

    async def join(self, name: str, slices: int) -> None:
        """See `Ownership.join`. What is its own is known a moment later: see `changed`."""
        self._wanted[name] = slices
        self._wake.set()
        if self._life is None:
            self._loop = asyncio.get_running_loop()
            self._rounds = Rounds(self._engine, self._seconds, self._clock)
            thread = ThreadPoolExecutor(1, "whence-leases")
            self._life = asyncio.create_task(self._run(thread), name="whence: leases"), thread

    async def leave(self, name: str) -> None:
        """See `Ownership.leave`. What cannot be given back is free when its time has passed."""
        if self._wanted.pop(name, None) is None or self._life is None:
            return
        self._owned.pop(name, None)
        self._tell()
        if self._wanted:
            await self._last(self._life[1], lambda: self._rounds.give_back_all(name))
        else:
            await self._end()

    async def close(self) -> None:
        """Leave everything, and let go of the database."""
        self._wanted.clear()
        await self._end()
        await asyncio.gather(*self._asked, return_exceptions=True)
        await asyncio.to_thread(self._engine.dispose)

    async def owned(self, name: str) -> Epochs:
        """See `Ownership.owned`."""
        sure = self._sure and name not in self._doubtful
        return self._owned.get(name, {}) if sure else {}

    async def changed(self, name: str, known: Epochs, timeout: float) -> None:
        """See `Ownership.changed`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while await self.owned(name) == known:
                    await self._news.wait()

    def fence(self, connection: Connection, name: str, epochs: Epochs) -> None:
        """See `Ownership.fence`."""
        try:
            if not self._sure:
                raise Overtaken(name)
            self._rounds.board.fence(connection, self._rounds.worker, name, epochs)
        except Overtaken:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._doubt, name)
            raise

    def sign(self, connection: Connection) -> None:
        """Let others end this transaction when they find this process dead."""
        self._rounds.board.sign(connection, self._rounds.worker)

    async def status(self, name: str) -> list[Holder]:
        """Who owns what of a projection, whether or not this process takes part in it."""
        # Whoever asks may give up; the thread does not, and needs its connection until it is done.
        asked = asyncio.ensure_future(asyncio.to_thread(self._rounds.holders, name))
        self._asked.add(asked)
        asked.add_done_callback(self._asked.discard)
        return await asyncio.shield(asked)

    @property
    def _sure(self) -> bool:
        """Whether what was its own still is, whatever happens to the database."""
        return self._clock() < self._rounds.sure_until

    async def _run(self, thread: ThreadPoolExecutor) -> None:
        while True:
            pause = _LOOK[1]
            try:
                async with self._turn:
                    pause = _LOOK[await self._look(thread)]
            except Exception as error:
                self._failed(error)
            with suppress(TimeoutError):
                # not wait_for: in Python 3.11 that may swallow a cancellation
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _look(self, thread: ThreadPoolExecutor) -> bool:
        """Look once; whether everybody has his share."""
        self._wake.clear()
        loop = asyncio.get_running_loop()
        standing = await loop.run_in_executor(thread, self._rounds.look, dict(self._wanted))
        self._apply(standing)
        if self._trouble is not None:
            self._trouble = None
            log.warning("leases are renewed again")
        return standing.settled

    def _apply(self, standing: Standing) -> None:
        """What the look has led to is so from now on."""
        for name in self._wanted.keys() & standing.owned.keys():
            now, before = standing.owned[name], self._owned.get(name, {})
            self._note(name, before, now, standing.giving[name])
            self._owned[name] = now
        self._doubtful.clear()
        self._tell()
        if self._alarm is not None:
            self._alarm.cancel()
        left = self._rounds.sure_until - self._clock()
        self._alarm = asyncio.get_running_loop().call_later(left, self._expire)

    def _expire(self) -> None:
        """Time has passed and nothing was renewed: others may have taken over."""
        for name, before in self._owned.items():
            self._note(name, before, {}, ())
        self._owned.clear()
        self._tell()

    def _doubt(self, name: str) -> None:
        """A fence has refused: wait for the next look before anything else is done."""
        self._doubtful.add(name)
        self._wake.set()
        self._tell()

    def _tell(self) -> None:
        """Wake whoever waits for a change."""
        self._news.set()
        self._news.clear()

    async def _end(self) -> None:
        """This worker ends: all that it owns is free at once, even if nobody waits for that."""
        if self._life is not None:
            life, self._life = self._life, None
            if self._alarm is not None:
                self._alarm.cancel()
            self._owned.clear()
            ending = asyncio.create_task(self._finish(self._rounds, *life))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        await asyncio.shield(asyncio.gather(*self._ending))

    async def _finish(
        self, rounds: Rounds, task: asyncio.Task[None], thread: ThreadPoolExecutor
    ) -> None:
        await ended(task)
        await self._last(thread, rounds.end)
        thread.shutdown(wait=False)

    async def _last(self, thread: ThreadPoolExecutor, task: Callable[[], None]) -> None:
        """Tell the others what this worker has finished with."""
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                await asyncio.get_running_loop().run_in_executor(thread, task)
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if str(error) != self._trouble:
            self._trouble = str(error)
            log.warning("leases cannot be renewed: %s", error)

    def _note(self, name: str, before: Epochs, now: Epochs, giving: Collection[int]) -> None:
        """Say and count what has changed hands."""
        taken = dict(now.items() - before.items())
        gone = dict(before.items() - now.items())
        given = gone.keys() & giving
        lost = gone.keys() - giving
        self.counts.taken += len(taken)
        self.counts.given_back += len(given)
        self.counts.lost += len(lost)
        if taken:
            log.info("%s: took slices %s, has %d", name, spans(taken), len(now))
        if given:
            log.info("%s: gives back slices %s, has %d", name, spans(given), len(now))
        if lost:
            log.warning("%s: lost slices %s, has %d", name, spans(lost), len(now))
