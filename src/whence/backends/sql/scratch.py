"""A scratch table: a read model as it was, folded from the log into a database of its own.

It takes no part in anything: nobody else sees it, and it ends with the process. Its rows are in
memory while they are few, and in a temporary file of SQLite's when they are many.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from copy import deepcopy
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.failures import telling_misfits
from whence.backends.sql.reader import RowReader
from whence.backends.sql.tables import RowTable
from whence.envelope import Recorded
from whence.folds import NOTHING, Fold, Rows, Skipped, Step, unstuck
from whence.parking import Checking, Parked, Parking, ParkingFold
from whence.reading import pieces
from whence.readmodels import ReadModel
from whence.slices import Mark, Share
from whence.store import EventStore
from whence.temporal import Progress

R = TypeVar("R", bound=ReadModel)

_IN_HAND = 50_000
"""Rows that are folded as objects before they are put into the table."""


class Folder(Generic[R]):
    """Folds events into rows: quickly, or carefully, which parks what cannot be folded or kept."""

    def __init__(
        self, fold: Fold[R], parking: Parking, skipped: Skipped, checking: Checking[R] | None
    ) -> None:
        self._fold, self._parking, self._skipped = fold, parking, skipped
        self._careful = None if checking is None else ParkingFold(fold, parking, checking)

    @property
    def parked(self) -> Sequence[Parked]:
        """What it has parked."""
        return self._parking.added

    def read(self, events: Sequence[Recorded]) -> list[Step]:
        """Decode what concerns the rows. Raises `Stuck` if it is quick."""
        if self._careful is None:
            return self._fold.reading(events, self._skipped)
        with unstuck():  # nobody knows such a type: no event is to blame
            return self._careful.read_carefully(self._fold.concerning(events))

    def apply(self, steps: Sequence[Step], rows: Rows[R]) -> dict[Any, int]:
        """See `Fold.apply`. Raises `Stuck` if it is quick."""
        if self._careful is None:
            return self._fold.apply(steps, rows)
        return self._careful.apply_carefully(steps, rows)


class Scratch(Generic[R]):
    """The rows of one read model up to one position of the log.

    A careful one leaves out what cannot be folded, and what follows under its key, as a read
    model in a table does.
    """

    def __init__(
        self, fold: Fold[R], table: Table, skipped: Skipped = NOTHING, *, careful: bool = False
    ) -> None:
        self.name, self.position = fold.spec.name, 0
        self._fold, self._table = fold, table
        self._skipped, self._careful = skipped, careful
        self._parking = Parking(Share(1, {0: Mark(0)}), (), skipped)
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

    def parked(self) -> Sequence[Parked]:
        """What has been left out since this was asked last."""
        parked = [*self._parking.added]
        self._parking.added.clear()  # what waits under a busy key would become ever more
        return parked

    def carefully(self) -> "Scratch[R]":
        """Another one, which is careful."""
        return Scratch(self._fold, self._table, self._skipped, careful=True)

    def folder(self, *, careful: bool) -> Folder[R]:
        """Who folds rows of this position on, somewhere else."""
        checking = self._rows if careful or self._careful else None
        return Folder(self._fold, deepcopy(self._parking), self._skipped, checking)

    async def fold(self, store: EventStore, until: int, progress: Progress | None = None) -> None:
        """Fold what the log holds up to the position ``until``. If it raises, begin anew.

        Raises `Stuck` or `Misfit` for what cannot be folded or kept, unless it is careful.
        """
        checking = self._rows if self._careful else None
        hand = _Hand(self, Folder(self._fold, self._parking, self._skipped, checking))
        async with aclosing(pieces(store, self._fold, self.position, until)) as found:
            async for events, scanned in found:
                await hand.fold(events)
                self.position = scanned
                if progress is not None:
                    progress(scanned, until)
        await hand.lay_down()

    async def load(self, keys: Sequence[Any]) -> dict[Any, R | None]:
        """The rows that there are of ``keys``. Raises `Misfit` unless it is careful."""

        def load(connection: Connection) -> dict[Any, R | None]:
            with self._telling():
                return self._rows.load(connection, keys)

        return await self._database.read(load)

    async def lay_down(self, rows: Rows[R], changed: Mapping[Any, int], existed: set[Any]) -> None:
        """Put ``changed`` rows into the table; ``existed`` are the keys that have one.

        Raises `Misfit` unless it is careful.
        """

        def store(connection: Connection) -> None:
            with self._telling():
                self._rows.store(connection, rows, changed, existed)

        await self._database.write(store)

    async def keep(self, rows: Mapping[Any, R | None]) -> None:
        """Put these ``rows`` into the table, which is empty."""
        await self._database.write(
            lambda c: self._rows.store(c, rows, dict.fromkeys(rows, 0), set())
        )

    def _telling(self) -> AbstractContextManager[None]:
        return nullcontext() if self._careful else telling_misfits()


class _Hand(Generic[R]):
    """Rows as objects, before they are put into a table."""

    def __init__(self, scratch: Scratch[R], folder: Folder[R]) -> None:
        self._scratch, self._folder = scratch, folder
        self._empty = scratch.position == 0
        self._rows: Rows[R] = {}
        self._changed: dict[Any, int] = {}
        self._existed: set[Any] = set()

    async def fold(self, events: Sequence[Recorded]) -> None:
        """Fold ``events`` into the rows that they touch."""
        steps = self._folder.read(events)
        if not self._empty:
            missing = {key for step in steps for key in step[3] if key not in self._rows}
            found = await self._scratch.load(list(missing)) if missing else {}
            self._existed.update(found)
            self._rows |= dict.fromkeys(missing) | found
        self._changed |= self._folder.apply(steps, self._rows)
        if len(self._rows) > _IN_HAND:
            await self.lay_down()

    async def lay_down(self) -> None:
        """Put them into the table."""
        if self._changed:
            await self._scratch.lay_down(self._rows, self._changed, self._existed)
            self._empty = False
        self._rows, self._changed, self._existed = {}, {}, set()
