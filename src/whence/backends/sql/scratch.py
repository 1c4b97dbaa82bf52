"""Scratch tables: a read model as it was, folded from the log into a database of its own.

It takes no part in anything: nobody else sees it, and it ends with the process. Its rows are in
memory while they are few, and in a temporary file of SQLite's when they are many.
"""

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from sqlalchemy import Table

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.reader import RowReader
from whence.backends.sql.tables import RowTable
from whence.folds import NOTHING, Fold, Rows, Skipped, Step, Stuck
from whence.readmodels import ReadModel
from whence.store import EventStore
from whence.temporal import Progress
from whence.tracing import pages

R = TypeVar("R", bound=ReadModel)

_Place = tuple[str, int, Skipped]
"""The name of a read model, a position, and what is left out."""

_IN_HAND = 50_000
"""Rows that are folded as objects before they are put into the table."""
_MOST_KEPT = 4
"""Scratch tables that are kept for the next question."""


class Scratch(Generic[R]):
    """The rows of one read model up to one position of the log."""

    def __init__(self, fold: Fold[R], table: Table) -> None:
        self.position = 0
        self._fold, self._table = fold, table
        self._database = ReadDatabase("sqlite://")
        self.reader = RowReader(fold.spec, table, self._database)

    async def open(self) -> None:
        """Make the table, empty."""
        await self._database.open()
        self._rows: RowTable[R] = RowTable(
            self._fold.spec, self._table, self._database.engine.dialect
        )
        await self._database.write(self._table.create)

    async def close(self) -> None:
        """Forget everything."""
        await self._database.close()

    async def fold(
        self,
        store: EventStore,
        until: int,
        skipped: Skipped = NOTHING,
        progress: Progress | None = None,
    ) -> None:
        """Fold what the log holds up to the position ``until``. If it raises, begin anew."""
        hand = _Hand(self)
        async for steps, scanned in pages(store, self._fold, self.position, until, skipped):
            await hand.fold(self._fold, steps)
            self.position = scanned
            if progress is not None:
                progress(scanned, until)
        await hand.lay_down()

    async def load(self, keys: Sequence[Any]) -> dict[Any, R | None]:
        """The rows that there are of ``keys``."""
        return await self._database.read(lambda c: self._rows.load(c, keys))

    async def keep(
        self, rows: Mapping[Any, R | None], changed: Mapping[Any, int], existed: set[Any]
    ) -> None:
        """Put ``changed`` rows into the table; ``existed`` are the keys that have one."""
        await self._database.write(lambda c: self._rows.store(c, rows, changed, existed))


class _Hand(Generic[R]):
    """Rows as objects, before they are put into a table."""

    def __init__(self, scratch: Scratch[R]) -> None:
        self._scratch = scratch
        self._empty = scratch.position == 0
        self._rows: Rows[R] = {}
        self._changed: dict[Any, int] = {}
        self._existed: set[Any] = set()

    async def fold(self, fold: Fold[R], steps: Sequence[Step]) -> None:
        """Fold ``steps`` into the rows that they touch."""
        if not self._empty:
            missing = {key for step in steps for key in step[3] if key not in self._rows}
            found = await self._scratch.load(list(missing)) if missing else {}
            self._existed.update(found)
            self._rows |= dict.fromkeys(missing) | found
        try:
            self._changed |= fold.apply(steps, self._rows)
        except Stuck as stuck:
            raise stuck.error from stuck.error.__cause__
        if len(self._rows) > _IN_HAND:
            await self.lay_down()

    async def lay_down(self) -> None:
        """Put them into the table."""
        if self._changed:
            await self._scratch.keep(self._rows, self._changed, self._existed)
            self._empty = False
        self._rows, self._changed, self._existed = {}, {}, set()


class Scratches:
    """The scratch tables of one process. A few are kept for the next question."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._past: OrderedDict[_Place, Scratch[Any]] = OrderedDict()
        self._live: dict[str, tuple[Skipped, Scratch[Any]]] = {}
        self._users: Counter[_Place] = Counter()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

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
                    self._past[place] = await self._made(fold, table, position, skipped, progress)
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
                scratch = await self._made(fold, table, position, skipped)
            elif scratch.position < position:
                await self._moved(scratch, position, skipped)
            self._live[name] = skipped, scratch
            yield scratch

    @asynccontextmanager
    async def of(self, fold: Fold[R], table: Table, rows: Rows[R]) -> AsyncGenerator[RowReader[R]]:
        """These ``rows`` and no others."""
        scratch = Scratch(fold, table)
        await scratch.open()
        try:
            await scratch.keep(rows, dict.fromkeys(rows, 0), set())
            yield scratch.reader
        finally:
            await scratch.close()

    async def close(self) -> None:
        """Forget them all."""
        for scratch in (*self._past.values(), *(one for _, one in self._live.values())):
            await scratch.close()
        self._past.clear()
        self._live.clear()

    async def _made(
        self,
        fold: Fold[R],
        table: Table,
        position: int,
        skipped: Skipped,
        progress: Progress | None = None,
    ) -> Scratch[R]:
        scratch = Scratch(fold, table)
        await scratch.open()
        await self._moved(scratch, position, skipped, progress)
        return scratch

    async def _moved(
        self,
        scratch: Scratch[Any],
        position: int,
        skipped: Skipped,
        progress: Progress | None = None,
    ) -> None:
        try:
            await scratch.fold(self._store, position, skipped, progress)
        except BaseException:
            await scratch.close()
            raise

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
