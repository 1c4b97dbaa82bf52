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
        except StoreError:
            self._looked = -_LOOK
            await self._check()  # another table may have taken the place of the one that was there
            raise

    async def _check(self) -> None:
        """Raise `Retired`, or what says that there is no table with these columns."""
        if monotonic() < self._looked + _LOOK:
            return
        end = monotonic() + _PATIENCE
        while (behind := await self._database.look(self._behind)) is not None:
            if monotonic() > end:
                raise Behind(self.spec.name, *behind, _PATIENCE)
            await asyncio.sleep(_POLL)
        self._looked = monotonic()

    def _behind(self, connection: Connection) -> tuple[int, int] | None:
        """Where the live table is, and the one that will have these columns; None: it has."""
        registry, checkpoints = self._database.registry, self._database.checkpoints
        name, next = self.spec.name, next_of(self.spec.name)
        live = registry.load(connection, name)
        if live is not None and live.wanted == "retired":
            raise Retired(
                f"{name} was retired: its rows are kept no more."
                f" `whence projections resume {name}` lets it follow the log again"
            )
        if live is None or live.layout == self.spec.layout:
            return None
        found = registry.load(connection, next)
        if found is None or found.layout != self.spec.layout:
            raise made_by_others(live)
        marks = (checkpoints.load(connection, one).values() for one in (name, next))
        where = [min((mark.position for mark in found), default=0) for found in marks]
        return where[0], where[1]


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
