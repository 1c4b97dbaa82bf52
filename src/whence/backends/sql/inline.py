"""An inline read model as what follows the log, whenever those who append do not keep it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from whence.backends.sql.building import NextTable
from whence.backends.sql.bulk import Statement
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.dialects import wait_briefly
from whence.backends.sql.generations import Generations
from whence.backends.sql.inlining import Found, InlineModel, Turn, Work, run
from whence.backends.sql.models import Reached, SqlReadModel
from whence.codec import Codec
from whence.envelope import Recorded
from whence.folds import Fold, Stuck
from whence.readmodels import ReadModel, ReadModelSpec
from whence.slices import Mark, Share
from whence.store import ALL, EventStore, Page, bare
from whence.subscribers import Finished

R = TypeVar("R", bound=ReadModel)

_PAUSE = 0.1
"""Seconds until it looks again: looking at each append would only keep those who append busy."""


class InlineReadModel(SqlReadModel[R]):
    """A `Subscriber` that mostly finds that all is done."""

    def __init__(
        self, spec: ReadModelSpec[R], database: ReadDatabase, codec: Codec, log: str
    ) -> None:
        super().__init__(spec, database, codec)
        self._log = log

    async def apply(self, page: Page, share: Share) -> bool:
        """See `Follower.apply`."""
        if await self._is_at(page.scanned, share):
            await asyncio.sleep(_PAUSE)
            return True
        after = share.position
        left = [event for event in page.events if event.position > after]
        return await super().apply(Page(left, page.scanned), share)

    async def save(self, position: int, share: Share) -> None:
        """See `Follower.save`."""
        if not await self._is_at(position, share):
            await super().save(position, share)

    def reaching(self, store: EventStore, reached: Reached) -> Reached:
        """See `SqlReadModel.reaching`: as a rule nobody has to wait."""

        async def wait(position: int, timeout: float) -> None:
            if not await self._shows(store, position):
                await reached(position, timeout)

        return wait

    async def _shows(self, store: EventStore, position: int) -> bool:
        """Whether its rows are as the log up to ``position`` makes them."""
        standing = await self.standing()
        if standing is None or standing.shape != self.shape:
            return False
        if standing.position >= position:
            return True
        async for page in store.read(bare(ALL), after=standing.position):
            events = [event for event in page.events if event.position <= position]
            return page.scanned >= position and not self._concerned(events)
        return False

    def _concerned(self, events: Sequence[Recorded]) -> bool:
        try:
            return bool(self.fold.read(self.fold.concerning(events)))
        except Stuck:
            return True

    async def _is_at(self, position: int, share: Share) -> bool:
        """Whether those who append have brought it there. From then on ``share`` knows."""
        marks = await self.marks()
        mine = {number: marks[number] for number in share.marks if number in marks}
        if mine != share.marks:
            share.marks, self._hand = mine, None
        return bool(mine) and share.position >= position

    def _next(self, generation: int) -> NextTable[R]:
        live = self._generations
        return InlineNext(self.spec, self.database, self.fold, live, generation, self._log)


class InlineNext(NextTable[R]):
    """A `Build` that takes the last steps while nobody can append."""

    def __init__(
        self,
        spec: ReadModelSpec[R],
        database: ReadDatabase,
        fold: Fold[R],
        generations: Generations,
        generation: int,
        log: str,
    ) -> None:
        super().__init__(spec, database, fold, generations, generation)
        self._log = log

    def _switch(self, connection: Connection) -> bool:
        wait_briefly(connection)
        self._catch_up(connection)
        return super()._switch(connection)

    def _catch_up(self, connection: Connection) -> None:
        """Fold the few events that the live table has seen and this one has not."""
        database, name = self.database, self.name
        live = database.checkpoints.hold(connection, self._generations.live)
        next = database.checkpoints.hold(connection, name)
        flags = database.registry.flags(connection, name, self.of)
        if flags is None:
            raise Finished(name)
        since, until = _lowest(next), _lowest(live)
        if since >= until or flags.parked or flags.skipped:
            return

        def ask(statement: Statement) -> Found:
            text, values = statement
            result = connection.exec_driver_sql(text, tuple(values))
            return [tuple(row) for row in result] if result.returns_rows else ()

        run(_closing(InlineModel(self.fold, database, name, self._log), since, until), ask)


def _closing(model: InlineModel[R], since: int, until: int) -> Work[None]:
    turn = Turn(model)
    if (yield from turn.catch_up(since, until)):
        written = turn.writing(until)
        if written is not None:
            yield written


def _lowest(marks: Mapping[int, Mark]) -> int:
    return min((mark.position for mark in marks.values()), default=0)
