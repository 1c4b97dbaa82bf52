"""Following the log with a database: rows and checkpoint change in one transaction."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.registry import Record
from whence.envelope import Recorded
from whence.errors import StoreError
from whence.folds import NOTHING, Stuck
from whence.parking import Parking, can_be_parked
from whence.slices import Mark, Share
from whence.status import Standing
from whence.store import ALL, PAGE_EVENTS, EventQuery, Page
from whence.subscribers import Halted, Overtaken, Superseded

SAVE = 0.1
"""Progress over events that concern nobody is saved this many seconds later at the latest."""


def next_of(name: str) -> str:
    """What is built beside ``name``, to take its place."""
    return f"{name}__next"


def previous_of(name: str) -> str:
    """What ``name`` was before it was rebuilt."""
    return f"{name}__old"


class SqlFollower(ABC):
    """A `Follower` that keeps what it makes of the events in tables."""

    query: EventQuery = ALL
    """All of it: an event that the application does not know must be seen to be reported."""
    at_once = PAGE_EVENTS
    patience = SAVE

    def __init__(
        self, name: str, shape: str, database: ReadDatabase, *, of: str, attempts: int
    ) -> None:
        self.name, self.shape = name, shape
        self.of = of
        """The projection that this is, or is to become: its events are skipped under that name."""
        self.database = database
        self._attempts = attempts
        self._failed = (0, 0)  # the position of an event, and how often it has failed
        self._waits = False  # whether the latest that failed waits behind another anyway

    async def marks(self) -> Mapping[int, Mark]:
        """See `Follower.marks`."""
        return await self.database.look(self._marks)

    async def apply(self, page: Page, share: Share) -> bool:
        """See `Follower.apply`."""
        concerning = self._concerning(page.events)
        if not concerning:
            return False
        try:
            await self._page(concerning, share, page.scanned)
        except Stuck as stuck:
            if not (self._waits or self._parks(stuck)):
                await self._before(stuck.position, concerning, share)
                raise stuck.error from stuck.error.__cause__
            await self._page(concerning, share, page.scanned, careful=True)
        share.moved(page.scanned)
        return True

    async def save(self, position: int, share: Share) -> None:
        """See `Follower.save`."""
        await self.database.write(lambda c: self._moved(c, share, position))
        share.moved(position)

    def handle(self, connection: Connection, events: Sequence[Recorded], parking: Parking) -> None:
        """Handle ``events`` of the share of ``parking``, and let it park what fails."""
        self._write(connection, self._concerning(events), parking, careful=True)

    async def checkpoint(self) -> int:
        """See `Subscriber.checkpoint`."""
        found = await self.database.read(lambda c: self.database.checkpoints.load(c, self.name))
        return min((mark.position for mark in found.values()), default=0)

    async def standing(self) -> Standing | None:
        """See `Subscriber.standing`."""
        return await self.database.look(self._standing)

    async def note(self, problem: str | None) -> None:
        """See `Subscriber.note`."""
        registry, now = self.database.registry, self.database.now()
        await self.database.write(lambda c: registry.note(c, self.name, problem, now))

    async def _page(
        self, events: Sequence[Recorded], share: Share, scanned: int, *, careful: bool = False
    ) -> None:
        def write(connection: Connection) -> None:
            parking = self._moved(connection, share, scanned)
            try:
                self._write(connection, events, parking, careful)
            except Stuck as stuck:
                self._waits = parking.expects(stuck.position, events)
                raise
            self._park(connection, parking)

        await self.database.write(write)

    async def _before(self, position: int, events: Sequence[Recorded], share: Share) -> None:
        """Handle what comes before an event that is in the way."""
        before = [event for event in events if event.position < position]
        if before:
            await self._page(before, share, position - 1)
            share.moved(position - 1)

    @abstractmethod
    def _concerning(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        """Those of ``events`` that may change anything, or that nobody knows."""

    @abstractmethod
    def _write(
        self, connection: Connection, events: Sequence[Recorded], parking: Parking, careful: bool
    ) -> None:
        """Handle ``events``. Raises `Stuck`, or if it is ``careful``, parks them."""

    def _standing(self, connection: Connection) -> Standing | None:
        registry, checkpoints = self.database.registry, self.database.checkpoints
        record = registry.load(connection, self.name)
        if record is None:
            return None
        next = checkpoints.load(connection, next_of(self.name)).values()
        return Standing(
            {n: mark.position for n, mark in checkpoints.load(connection, self.name).items()},
            record.shape,
            record.generation,
            record.wanted,
            record.problem,
            record.target,
            min((mark.position for mark in next), default=None),
            registry.load(connection, previous_of(self.name)) is not None,
            self.database.dead.count(connection, self.name),
        )

    def _marks(self, connection: Connection) -> Mapping[int, Mark]:
        record = self.database.registry.load(connection, self.name)
        self._check(record)
        marks = self.database.checkpoints.load(connection, self.name)
        # None at all: it was dropped, and is made again.
        if record is not None and 0 < len(marks) < record.slices:
            raise StoreError(
                f"{self.name}: of its {record.slices} checkpoints {len(marks)} are there, so"
                f" nobody knows what it has seen: `whence rebuild {self.of}` makes it anew"
            )
        return marks

    def _check(self, record: Record | None) -> None:
        """Raise what `marks` raises."""
        if record is None:
            raise Overtaken(self.name)
        if record.wanted != "running":
            raise Halted(record.wanted)
        if record.shape != self.shape:
            raise Superseded(self.name)

    def _moved(self, connection: Connection, share: Share, to: int) -> Parking:
        """Move the checkpoint, and learn what has to be known before anything is written."""
        self.database.ownership.fence(connection, self.name, share.epochs)
        self.database.checkpoints.move(connection, self.name, share, to)
        # Only now: whoever has changed what is asked next has waited for us, or we for him.
        return self._parking(connection, share)

    def _parking(self, connection: Connection, share: Share) -> Parking:
        """What is parked and what is skipped. Raises what `marks` raises."""
        dead = self.database.dead
        flags = self.database.registry.flags(connection, self.name, self.of)
        self._check(None if flags is None else flags.record)
        if flags is None:
            return Parking(share)
        held = dead.held(connection, self.name) if flags.parked else ()
        skipped = dead.skipped(connection, self.of) if flags.skipped else NOTHING
        return Parking(share, held, skipped)

    def _park(self, connection: Connection, parking: Parking) -> None:
        if parking.added:
            dead, now = self.database.dead, self.database.now()
            dead.add(connection, self.name, parking.added, now)

    def _parks(self, stuck: Stuck) -> bool:
        """Whether an event has been tried often enough."""
        if not can_be_parked(stuck.error):
            return False
        position, times = self._failed
        times = times + 1 if position == stuck.position else 0
        self._failed = (stuck.position, times)
        return times >= self._attempts
