"""The table that will replace a live one: folded in memory, and written in bulk."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Generic, NoReturn, TypeVar

from sqlalchemy import Connection

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.failures import Misfit, telling_misfits
from whence.backends.sql.folding import Hand, RowFollower, keys_of
from whence.backends.sql.generations import Generations
from whence.backends.sql.registry import Record
from whence.envelope import Recorded
from whence.errors import StoreBusy, StoreError
from whence.folds import Fold, Rows, Step, Stuck
from whence.parking import Parking, ParkingFold, can_be_parked
from whence.readmodels import ReadModel, ReadModelSpec
from whence.slices import Mark, Share
from whence.store import PAGE_EVENTS, Page
from whence.subscribers import Finished, Overtaken

R = TypeVar("R", bound=ReadModel)
T = TypeVar("T")

_CHANGED = 200_000
"""Rows that are changed in memory before they are written, at most."""
_KEPT = 250_000
"""Rows that are kept in memory, at most: they need not be loaded again."""
_PIECE = 200
"""Events that are folded at a time, at most: between two pieces others get their turn."""
_BRIEF = 0.005
"""Seconds that this may take: slower folds get fewer events at a time.

Not in a thread: it would fight with the event loop for the interpreter at each piece of a page
that arrives meanwhile, and then nothing is done at the same time as the database's work.
"""


@dataclass(slots=True)
class _Memory(Generic[R]):
    """What is folded, and not written yet."""

    parking: Parking
    hand: Hand[R]
    complete: bool
    """Whether every row that there is is in hand, so that no other needs to be looked for."""
    changed: dict[Any, int] = field(default_factory=dict[Any, int])


class NextTable(RowFollower[R]):
    """A `Build` beside the live table."""

    in_place = False
    patience = 10.0

    def __init__(
        self,
        spec: ReadModelSpec[R],
        database: ReadDatabase,
        fold: Fold[R],
        generations: Generations,
        generation: int,
    ) -> None:
        super().__init__(spec, generations.next, database, fold)
        self.generation = generation
        """See `Build.generation`."""
        self._generations = generations
        self._memory: _Memory[R] | None = None
        self._careful = False
        self._piece = _PIECE

    async def marks(self) -> Mapping[int, Mark]:
        """See `Build.marks`. What was folded and not written is forgotten."""
        self._memory = None
        return await super().marks()

    async def apply(self, page: Page, share: Share) -> bool:
        """See `Follower.apply`."""
        concerning = self._concerning(page.events)
        if concerning:
            try:
                await self._fold(concerning, share)
            except Stuck as stuck:
                if self._careful or not can_be_parked(stuck.error):
                    self._memory = None  # half of it may be folded
                    raise stuck.error from stuck.error.__cause__
                self._once_more(stuck)
            except Misfit as misfit:
                self._once_more(misfit)
        if self._memory is None or len(self._memory.changed) < _CHANGED:
            return False
        await self.save(page.scanned, share)
        return True

    async def save(self, position: int, share: Share) -> None:
        """See `Follower.save`."""
        try:
            await self.database.write(lambda c: self._flush(c, share, position))
        except Misfit as misfit:
            self._once_more(misfit)
        share.moved(position)
        if (memory := self._memory) is None:
            return
        memory.hand.stored(memory.changed)
        memory.changed.clear()
        memory.parking.added.clear()
        if len(memory.hand.rows) > _KEPT:
            memory.hand, memory.complete = Hand(share), False

    def _once_more(self, problem: Exception) -> NoReturn:
        """Begin again where it was written last, and park what cannot be handled."""
        self._memory, self._careful = None, True
        raise Overtaken(self.name) from problem

    def _telling(self) -> AbstractContextManager[None]:
        """What tells that rows are refused, as long as that can be helped."""
        return nullcontext() if self._careful else telling_misfits()

    async def switch(self) -> bool:
        """See `Build.switch`. A table that somebody reads for long is not waited for."""
        try:
            return await self.database.define(self._switch)
        except StoreBusy:
            return False

    def _switch(self, connection: Connection) -> bool:
        return self._generations.switch(connection)

    def _check(self, record: Record | None) -> None:
        if record is None or record.shape != self.shape:
            raise Finished(self.name)

    async def _fold(self, events: Sequence[Recorded], share: Share) -> None:
        memory = self._memory
        if memory is None:
            parking = await self.database.look(lambda c: self._parking(c, share))
            fresh = not any(mark.position for mark in share.marks.values())
            self._memory = memory = _Memory[R](parking, Hand(share), fresh)
        folding = ParkingFold(self.fold, memory.parking, self.rows)
        read = folding.read_carefully if self._careful else folding.read
        apply = folding.apply_carefully if self._careful else self.fold.apply
        if memory.complete:
            async for some in self._pieces(events):
                memory.changed |= apply(read(some), memory.hand.rows)
            return
        for start in range(0, len(events), PAGE_EVENTS):
            steps: list[Step] = []
            async for some in self._pieces(events[start : start + PAGE_EVENTS]):
                steps += read(some)
            await self._load(memory, steps)
            async for few in self._pieces(steps):
                memory.changed |= apply(few, memory.hand.rows)

    async def _pieces(self, whole: Sequence[T]) -> AsyncIterator[Sequence[T]]:
        """Piece by piece, so that others get their turn. See `_BRIEF`."""
        start = 0
        while start < len(whole):
            began, end = monotonic(), start + self._piece
            yield whole[start:end]
            start, took = end, monotonic() - began
            self._piece = max(1, min(_PIECE, int(self._piece * _BRIEF / took)))
            await asyncio.sleep(0)

    async def _load(self, memory: _Memory[R], steps: Sequence[Step]) -> None:
        missing = [key for key in keys_of(steps) if key not in memory.hand.rows]
        try:
            found = await self.database.read(lambda c: self._loaded(c, missing))
        except StoreError:
            await self._check_still_there(memory.hand.share)
            raise
        memory.hand.add(missing, found)

    async def _check_still_there(self, share: Share) -> None:
        """Raise what `marks` raises if somebody else has switched or dropped the table."""
        marks = await self.marks()
        if any(marks.get(number) != mark for number, mark in share.marks.items()):
            raise Overtaken(self.name)

    def _loaded(self, connection: Connection, keys: Sequence[Any]) -> Rows[R]:
        with self._telling():
            return self.rows.load(connection, keys)

    def _flush(self, connection: Connection, share: Share, position: int) -> None:
        self._moved(connection, share, position)
        if (memory := self._memory) is not None:
            hand = memory.hand
            with self._telling():
                self.rows.store(connection, hand.rows, memory.changed, hand.existed)
            self._park(connection, memory.parking)
