"""What waits to be stored goes to the server in one call, on the one connection that writes.

An event that comes alone, as the one before did, is sent at once: nothing waits for the iteration
of the event loop to end, nor for a task to have its turn.
A call that somebody keeps waiting for a lock is set aside for a second connection, so that the
others go on.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial

from psycopg import DataError, Error

from whence.backends.postgres.address import Address
from whence.backends.postgres.appending import MOST_NAMES
from whence.backends.postgres.failures import BLOCKED, translated
from whence.backends.postgres.inlining import Inline
from whence.backends.postgres.lane import Lane
from whence.backends.postgres.readers import Readers
from whence.backends.postgres.tickets import Ticket
from whence.backends.postgres.watcher import Watcher
from whence.errors import NotFolded, StoreError, Unknown
from whence.store import Appended, Commit, Outcome

_MOST_COMMITS = 250
_MOST_BYTES = 8_000_000
_TOGETHER, _ALONE = 1.0, 0.05
"""Seconds that a group, and a call of that group, wait for a lock before the others go on."""
_PATIENCE = 10.0
"""Seconds that a call waits for a lock in all."""
_OWN_FAULT = ("21", "22", "23", "54", "P0", BLOCKED)
"""How a SQLSTATE begins that one call of a group may have brought upon all."""


class Writer:
    """Takes calls of `append`, and answers them in groups."""

    def __init__(
        self, address: Address, watcher: Watcher, readers: Readers, inline: Inline | None = None
    ) -> None:
        self._address, self._watcher, self._readers = address, watcher, readers
        self._lanes = Lane(address, inline), Lane(address, inline)
        self._waiting: deque[Ticket] = deque()
        self._aside: asyncio.Queue[Ticket] = asyncio.Queue()
        self._work = asyncio.Event()
        self._busy, self._alone = False, True
        """Whether a group is being stored; whether the last one was a single call."""
        self._open: set[Ticket] = set()
        self._answering: set[asyncio.Task[None]] = set()
        work = (self._together(), self._one_by_one())
        self._tasks = [asyncio.create_task(task, name="whence: writing") for task in work]

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        """See `EventStore.append`."""
        ticket = Ticket(commits)
        self._open.add(ticket)
        if not self._sent(ticket):
            self._waiting.append(ticket)
            self._go_on()
        try:
            return await ticket.future
        finally:
            self._open.discard(ticket)

    async def close(self) -> None:
        """Finish what waits, then let go of the connections."""
        await asyncio.sleep(0)  # what this iteration of the loop has brought is on its way
        while self._open:
            await asyncio.wait([ticket.future for ticket in self._open])
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._answering, return_exceptions=True)
        for lane in self._lanes:
            await lane.close()

    def _sent(self, ticket: Ticket) -> bool:
        """Send a single event at once if it comes alone."""
        if self._busy or self._waiting or not self._alone or len(ticket.jobs) > 1:
            return False
        done = partial(self._judged, ticket)
        self._busy = self._lanes[0].at_once(ticket.jobs[0], _TOGETHER, done)
        return self._busy

    def _judged(self, ticket: Ticket) -> None:
        self._busy = False
        if ticket.jobs[0].outcome is None:
            self._waiting.appendleft(ticket)  # the lane has more to do about it
        else:
            self._stored([ticket])
            ticket.answer()
        self._go_on()

    def _go_on(self) -> None:
        if self._waiting and not self._busy:
            self._work.set()

    async def _together(self) -> None:
        while True:
            await self._work.wait()  # an iteration of the event loop: what it brings goes together
            self._work.clear()
            group = self._group()
            if group:
                self._busy, self._alone = True, len(group) == 1
                await self._store(group, self._lanes[0], _TOGETHER)
                self._busy = False
            self._go_on()

    async def _one_by_one(self) -> None:
        """Those that wait for others, each as long as it may."""
        while True:
            ticket = await self._aside.get()
            left = ticket.since + _PATIENCE - asyncio.get_running_loop().time()
            await self._store([ticket], self._lanes[1], max(left, _ALONE))

    def _group(self) -> list[Ticket]:
        group: list[Ticket] = []
        commits = weight = names = 0
        while self._waiting:
            ticket = self._waiting[0]
            commits += len(ticket.jobs)
            weight += ticket.weight
            names += ticket.names
            large = commits > _MOST_COMMITS or weight > _MOST_BYTES or names > MOST_NAMES
            if group and large:
                break
            self._waiting.popleft()
            if not ticket.future.done():
                group.append(ticket)
        return group

    async def _store(self, group: Sequence[Ticket], lane: Lane, patience: float) -> None:
        """Store a group and answer everybody in it."""
        try:
            await lane.store([job for ticket in group for job in ticket.jobs], patience)
        except Exception as error:
            state = (error.sqlstate or "22") if isinstance(error, Error) else ""
            state = "22" if isinstance(error, NotFolded) else state
            if len(group) > 1 and state.startswith(_OWN_FAULT):
                for ticket in group:
                    await self._store([ticket], lane, _ALONE)
            elif state == BLOCKED and patience < _PATIENCE and lane is self._lanes[0]:
                self._aside.put_nowait(group[0])
            else:
                self._failed(group, error)
            return
        self._stored(group)
        for ticket in group:
            if all(job.outcome for job in ticket.jobs):
                ticket.answer()
            else:
                task = asyncio.create_task(self._explain(ticket), name="whence: explaining")
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    def _stored(self, group: Sequence[Ticket]) -> None:
        outcomes = [job.outcome for ticket in group for job in ticket.jobs]
        stored = [o.position for o in outcomes if isinstance(o, Appended) and not o.duplicate]
        if stored:
            self._readers.stored(max(stored))
            self._watcher.stored()

    async def _explain(self, ticket: Ticket) -> None:
        """Answer a call that meets a conflict, with the events that came in between."""
        try:
            for job in ticket.jobs:
                if job.outcome is None and job.actual is not None:
                    job.outcome = await self._readers.conflict(job.commit, job.actual)
            ticket.answer()
        except StoreError as error:
            self._failed([ticket], error)

    def _failed(self, group: Sequence[Ticket], error: Exception) -> None:
        """Commits without an outcome are not stored."""
        self._stored(group)
        for ticket in group:
            if any(isinstance(job.outcome, Appended) for job in ticket.jobs):
                for job in ticket.jobs:
                    job.outcome = job.outcome or Unknown(job.commit.id, str(error))
                ticket.answer()
            else:
                ticket.fail(self._explained(error))

    def _explained(self, error: Exception) -> Exception:
        if isinstance(error, DataError):
            return ValueError(f"{self._address.shown} cannot hold this: {str(error).strip()}")
        if isinstance(error, Error):
            return translated(error, self._address.shown)
        return error
