"""What people can do with what follows the log in a database. See `Controls`."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import Any

from sqlalchemy import Connection

from whence.backends.sql.auditing import RowAudit
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.dialects import wait_briefly
from whence.backends.sql.folding import RowFollower, keys_of
from whence.backends.sql.generations import Generations
from whence.errors import StoreBusy
from whence.folds import unstuck
from whence.status import Wanted
from whence.store import ALL, EventStore, bare
from whence.verifying import Verification

_PATIENCE = 30.0
"""Seconds that a table is tried to be renamed or dropped while others read it."""
_FEW = 1_000
"""Rows that are folded afresh one by one, by their own events; more are folded all at once."""
_PAUSE = 0.1
"""Seconds in between, so that those who came later get their turn."""


class SqlControls(ABC):
    """The part that is the same for all."""

    def __init__(self, name: str, database: ReadDatabase) -> None:
        self._name, self._database = name, database

    async def want(self, wanted: Wanted) -> None:
        """See `Controls.want`."""

        def write(connection: Connection) -> None:
            if self._database.registry.load(connection, self._name) is None:
                self._make(connection)
            # Who writes at this moment is waited for, and sees it next time.
            self._database.checkpoints.hold(connection, self._name)
            self._database.registry.want(connection, self._name, wanted)

        await self._database.define(write)

    @abstractmethod
    def _make(self, connection: Connection) -> None:
        """Make what is needed to keep anything about it."""

    async def _define(self, task: Callable[[Connection], bool]) -> bool:
        """Change tables as soon as nobody reads them."""

        def change(connection: Connection) -> bool:
            wait_briefly(connection)
            return task(connection)

        end = monotonic() + _PATIENCE
        while True:
            try:
                return await self._database.define(change)
            except StoreBusy:
                if monotonic() > end:
                    raise
                await asyncio.sleep(_PAUSE)


class ModelControls(SqlControls):
    """Of a read model."""

    def __init__(
        self,
        generations: Generations,
        live: RowFollower[Any],
        database: ReadDatabase,
        audit: RowAudit[Any],
    ) -> None:
        super().__init__(generations.live, database)
        self._generations, self._live, self._audit = generations, live, audit

    async def rewind(self, store: EventStore, position: int) -> None:
        """See `Controls.rewind`: the rows that were touched since are folded afresh, as a whole.

        Folding an event once more into a row that knows it would count it twice.
        """
        fold, keys = self._live.fold, set[Any]()
        left_out = await self._database.left_out(self._name)
        async for page in store.read(bare(ALL), after=position):
            with unstuck():
                keys.update(keys_of(fold.reading(page.events, left_out)))
        verification = Verification(store, fold, self._audit)
        if len(keys) < _FEW:
            await verification.of(keys, repair=True)
        else:
            await verification.run(repair=True)

    async def cancel(self) -> bool:
        """See `Controls.cancel`."""
        return await self._define(lambda c: self._generations.drop(c, self._generations.next))

    async def roll_back(self) -> bool:
        """See `Controls.roll_back`. What other code has made waits until that code runs again."""
        return await self._define(self._rolled_back)

    async def clean(self) -> bool:
        """See `Controls.clean`."""
        return await self._define(lambda c: self._generations.drop(c, self._generations.previous))

    async def drop(self) -> None:
        """See `Controls.drop`. What people want of it is kept."""
        await self._define(self._dropped)

    def _make(self, connection: Connection) -> None:
        self._generations.start(connection)

    def _rolled_back(self, connection: Connection) -> bool:
        done = self._generations.roll_back(connection)
        live = self._database.registry.load(connection, self._name)
        if done and live is not None and live.shape != self._live.shape:
            self._database.registry.want(connection, self._name, "paused")
        return done

    def _dropped(self, connection: Connection) -> bool:
        generations, registry = self._generations, self._database.registry
        live = registry.load(connection, self._name)
        for name in (generations.next, generations.previous, generations.live):
            generations.drop(connection, name)
        if live is not None:
            registry.put(connection, replace(live, target=0, problem=None, problem_at=None))
        return True
