"""The scratch tables of one process. See `whence.backends.sql.scratch`."""

import asyncio
import logging
from collections import Counter, OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Table

from whence.backends.sql.failures import Misfit
from whence.backends.sql.reader import RowReader
from whence.backends.sql.scratch import Scratch
from whence.folds import NOTHING, Fold, Rows, Skipped, Stuck
from whence.parking import Parked
from whence.reading import pieces
from whence.readmodels import ReadModel
from whence.store import EventStore
from whence.temporal import Progress

R = TypeVar("R", bound=ReadModel)

log = logging.getLogger("whence")

_Place = tuple[str, int, Skipped]
"""The name of a read model, a position, and what is left out."""
_Left = tuple[str, str, int]
"""The name of a read model, a key as what is parked has it, and a position."""

_MOST_KEPT = 4
"""Scratch tables that are kept for the next question."""


class Scratches:
    """Makes them when they are asked for, and keeps a few for the next question."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._past: OrderedDict[_Place, Scratch[Any]] = OrderedDict()
        self._live: dict[str, tuple[Skipped, Scratch[Any]]] = {}
        self._users: Counter[_Place] = Counter()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._told = set[_Left]()

    @asynccontextmanager
    async def past(
        self,
        fold: Fold[R],
        table: Table,
        position: int,
        skipped: Skipped = NOTHING,
        progress: Progress | None = None,
    ) -> AsyncGenerator[Scratch[R]]:
        """The rows as they were at ``position``."""
        place = (fold.spec.name, position, skipped)
        self._users[place] += 1
        try:
            async with self._turns[fold.spec.name]:
                if place not in self._past:
                    scratch = Scratch(fold, table, skipped)
                    self._past[place] = await self._made(scratch, position, progress)
                self._past.move_to_end(place)
            yield self._past[place]
        finally:
            self._users[place] -= 1
            self._users += Counter()  # without those that nobody uses any more
            await self._forget()

    @asynccontextmanager
    async def live(
        self, fold: Fold[R], table: Table, position: int, skipped: Skipped = NOTHING
    ) -> AsyncGenerator[Scratch[R]]:
        """The rows as they are at ``position`` or later. They stay so while they are used."""
        name = fold.spec.name
        async with self._turns[name]:
            seen, scratch = self._live.pop(name, (skipped, None))
            if scratch is None or seen != skipped:
                await _closed(scratch)
                scratch = await self._made(Scratch(fold, table, skipped), position)
            elif scratch.position < position:
                scratch = await self._moved(scratch, position)
            self._live[name] = skipped, scratch
            yield scratch

    @asynccontextmanager
    async def of(self, fold: Fold[R], table: Table, rows: Rows[R]) -> AsyncGenerator[RowReader[R]]:
        """These ``rows`` and no others."""
        scratch = Scratch(fold, table)
        await scratch.open()
        try:
            await scratch.keep(rows)
            yield scratch.reader
        finally:
            await scratch.close()

    async def touched(
        self,
        fold: Fold[R],
        table: Table,
        low: int,
        high: int,
        skipped: Skipped = NOTHING,
        progress: Progress | None = None,
    ) -> tuple[Rows[R], Rows[R]]:
        """The rows that are touched between two positions, as they were at both."""
        async with self.past(fold, table, low, skipped, progress) as past:
            try:
                return await self._touched(past, fold, high, progress)
            except (Stuck, Misfit):
                return await self._touched(past, fold, high, progress, careful=True)

    async def close(self) -> None:
        """Forget them all."""
        for scratch in (*self._past.values(), *(one for _, one in self._live.values())):
            await scratch.close()
        self._past.clear()
        self._live.clear()

    async def _touched(
        self,
        past: Scratch[R],
        fold: Fold[R],
        high: int,
        progress: Progress | None,
        *,
        careful: bool = False,
    ) -> tuple[Rows[R], Rows[R]]:
        folder = past.folder(careful=careful)
        old: Rows[R] = {}
        new: Rows[R] = {}
        async with aclosing(pieces(self._store, fold, past.position, high)) as found:
            async for events, scanned in found:
                steps = folder.read(events)
                missing = {key for step in steps for key in step[3] if key not in old}
                rows = await past.load(list(missing)) if missing else {}
                old |= dict.fromkeys(missing) | rows
                new |= {key: fold.copied(row) for key, row in rows.items() if row is not None}
                folder.apply(steps, new)
                if progress is not None:
                    progress(scanned, high)
        self._tell(past.name, folder.parked)
        return old, {key: None if row is None else fold.copied(row) for key, row in new.items()}

    def _tell(self, name: str, parked: Iterable[Parked]) -> None:
        """Say what could not be folded, once."""
        for one in parked:
            left = (name, one.key, one.position)
            if one.error is not None and left not in self._told:
                self._told.add(left)
                log.warning(
                    "%s is answered without what %r brings from position %d on: %s. Mend the"
                    " handler, or what it cannot read",
                    *left,
                    one.error,
                )

    async def _made(
        self, scratch: Scratch[R], position: int, progress: Progress | None = None
    ) -> Scratch[R]:
        await scratch.open()
        return await self._moved(scratch, position, progress)

    async def _moved(
        self, scratch: Scratch[R], position: int, progress: Progress | None = None
    ) -> Scratch[R]:
        """The same at ``position``; or a careful one, if it has come across what needs that."""
        try:
            await scratch.fold(self._store, position, progress)
        except (Stuck, Misfit):
            await scratch.close()
            return await self._made(scratch.carefully(), position, progress)
        except BaseException:
            await scratch.close()
            raise
        self._tell(scratch.name, scratch.parked())
        return scratch

    async def _forget(self) -> None:
        """Let go of those that were not asked for longest, unless somebody is asking."""
        idle = [place for place in self._past if place not in self._users]
        oldest = idle[: max(len(self._past) - _MOST_KEPT, 0)]
        # All at once, before anybody else gets his turn: he may look for the same ones.
        for scratch in [self._past.pop(place) for place in oldest]:
            await scratch.close()


async def _closed(scratch: Scratch[Any] | None) -> None:
    if scratch is not None:
        await scratch.close()
