"""Answering from the live table, as long as it has the columns that this code asks for."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from sqlalchemy import Connection, Table

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.following import next_of
from whence.backends.sql.reader import RowReader
from whence.backends.sql.registry import Record
from whence.errors import Behind, Retired, StoreError, WhenceError
from whence.queries import Selection
from whence.readmodels import ReadModel, ReadModelSpec

R = TypeVar("R", bound=ReadModel)
Answer = TypeVar("Answer")

_LOOK = 1.0
"""Seconds between two looks whether a read model still has this code's columns, and is wanted."""
_PATIENCE = 5.0
"""Seconds that a question waits for a table with its columns, if one is being built."""
_POLL = 0.05
"""Seconds between two looks at such a build."""


class ModelReader(RowReader[R]):
    """The answers of a read model.

    When its columns have changed, those who run the old code are answered by the old table until
    the new one takes its place; from then on those who run the new code are.
    """

    def __init__(self, spec: ReadModelSpec[R], table: Table, database: ReadDatabase) -> None:
        super().__init__(spec, table, database)
        self._looked = -_LOOK

    async def get(self, key: object) -> R | None:
        """See `Source.get`."""
        return await self._answer(lambda: super(ModelReader, self).get(key))

    async def fetch(self, selection: Selection) -> list[R]:
        """See `Source.fetch`."""
        return await self._answer(lambda: super(ModelReader, self).fetch(selection))

    async def count(self, selection: Selection) -> int:
        """See `Source.count`."""
        return await self._answer(lambda: super(ModelReader, self).count(selection))

    async def _answer(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        await self._check()
        try:
            return await ask()
        except StoreError:  # the table may have been dropped, or another one taken its place
            self._looked = -_LOOK
            await self._check()
            return await ask()

    async def _check(self) -> None:
        """Wait for a table with these columns. Raises `Retired`, `Behind` or what says why not."""
        if monotonic() < self._looked + _LOOK:
            return
        end = monotonic() + _PATIENCE
        while (missing := await self._database.look(self._missing)) is not None:
            if monotonic() > end:
                raise missing
            await asyncio.sleep(_POLL)
        self._looked = monotonic()

    def _missing(self, connection: Connection) -> WhenceError | None:
        """What to raise if no table with these columns is made in time; None: it is there."""
        registry, checkpoints = self._database.registry, self._database.checkpoints
        name, next = self.spec.name, next_of(self.spec.name)
        live = registry.load(connection, name)
        if live is not None and live.wanted == "retired":
            raise Retired(
                f"{name} was retired: its rows are not kept up to date any more."
                f" `whence projections resume {name}` lets it follow the log again"
            )
        if live is None:
            raise never_projected(name)
        if not checkpoints.load(connection, name):  # it was dropped, and is wanted again
            return never_projected(name)
        if live.layout == self.spec.layout:
            return None
        found = registry.load(connection, next)
        if found is None or found.layout != self.spec.layout:
            raise made_by_others(live)
        marks = (checkpoints.load(connection, one).values() for one in (name, next))
        wanted, reached = (min((mark.position for mark in found), default=0) for found in marks)
        return Behind(name, wanted, reached, _PATIENCE)


def never_projected(name: str) -> StoreError:
    """What to raise where there is no table at all."""
    return StoreError(f"{name} has no rows yet: nobody has projected it. `whence worker` does")


def made_by_others(live: Record) -> WhenceError:
    """What to raise where rows of other code can be of no use."""
    remedy = (
        "Where this version is the newer one, `whence worker` makes new rows beside them;"
        " else stop it"
        if live.wanted == "running"
        else f"It is {live.wanted}: `whence projections resume {live.name}` lets it go on, and"
        " makes them anew"
    )
    return WhenceError(
        f"the rows of {live.name} were made by another version of the application. {remedy}"
    )
