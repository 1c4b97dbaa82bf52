"""Read models whose rows are in a `RowStore`, and all else about them in a read database."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Connection, Select

from whence.backends.sql.answering import ModelReader
from whence.backends.sql.auditing import PATIENCE, RowAudit
from whence.backends.sql.building import NextTable
from whence.backends.sql.controls import ModelControls
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.generations import Generations
from whence.backends.sql.models import SqlReadModel
from whence.backends.sql.placing import GuardedFold, Place, PlacedRows, Unreadable
from whence.backends.sql.reader import RowReader
from whence.backends.sql.scratch import Scratch
from whence.codec import Codec
from whence.elsewhere import RowStore
from whence.errors import WiringError
from whence.queries import Selection
from whence.readmodels import ReadModel, ReadModelSpec
from whence.sampling import Takes
from whence.subscribers import Build
from whence.surveys import Refold, Survey

R = TypeVar("R", bound=ReadModel)


class PlacedGenerations(Generations):
    """Whose rows are in a `RowStore`: each generation has a table there, and keeps it."""

    def __init__(
        self, spec: ReadModelSpec[Any], database: ReadDatabase, place: Place[Any]
    ) -> None:
        super().__init__(spec, database)
        self._place = place

    async def sweep(self) -> None:
        """Forget the rows of generations that are there no more.

        Not when they are dropped: that may be undone.
        """
        names = (self.live, self.next, self.previous)
        await self._database.define(lambda c: self._place.sweep(c, names))

    async def empty(self) -> None:
        """Forget all rows, when it is known no more how far they have come."""
        await self._database.define(self._empty)

    def _empty(self, connection: Connection) -> None:
        live = self._database.registry.load(connection, self.live)
        if live is not None and not self._is_there(connection, self.live):
            self._place.empty(connection, live.generation)
        self._place.sweep(connection, (self.live,))

    def _is_there(self, connection: Connection, name: str) -> bool:
        return bool(self._database.checkpoints.load(connection, name))

    def _make_table(self, connection: Connection, name: str, generation: int) -> None:
        self._place.empty(connection, generation)  # of what was left there

    def _drop_table(self, connection: Connection, name: str) -> None:
        pass  # see `sweep`

    def _rename_tables(self, connection: Connection, changes: Sequence[tuple[str, str]]) -> None:
        pass  # each generation keeps its own


class PlacedReadModel(SqlReadModel[R]):
    """A `Subscriber` whose rows are in a `RowStore`."""

    def __init__(
        self, spec: ReadModelSpec[R], database: ReadDatabase, codec: Codec, store: RowStore
    ) -> None:
        super().__init__(spec, database, codec)
        self._codec = codec
        self._place = Place(spec, store, database)
        self._generations: PlacedGenerations = PlacedGenerations(spec, database, self._place)
        self._guarded = GuardedFold(spec, codec)
        self.fold = self._guarded

    @cached_property
    def rows(self) -> PlacedRows[R]:
        """See `RowFollower.rows`."""
        return PlacedRows(self._place, self.name, self._guarded)

    @cached_property
    def reader(self) -> RowReader[R]:
        """See `SqlReadModel.reader`."""
        return PlacedReader(self, self._place)

    @property
    def audit(self) -> RowAudit[R]:
        """See `SqlReadModel.audit`."""
        return PlacedAudit(self, self._place)

    @property
    def controls(self) -> ModelControls:
        """See `SqlReadModel.controls`."""
        return PlacedControls(self._generations, self, self.database, self.audit)

    async def start(self) -> Build | None:
        """See `Subscriber.start`."""
        build = await super().start()
        await self._generations.sweep()
        return build

    def _next(self, generation: int) -> NextTable[R]:
        return PlacedNext(
            self.spec, self.database, self._codec, self._generations, generation, self._place
        )


class PlacedNext(NextTable[R]):
    """A `Build` in a `RowStore`."""

    def __init__(
        self,
        spec: ReadModelSpec[R],
        database: ReadDatabase,
        codec: Codec,
        generations: PlacedGenerations,
        generation: int,
        place: Place[R],
    ) -> None:
        self._guarded = GuardedFold(spec, codec)
        super().__init__(spec, database, self._guarded, generations, generation)
        self._placed, self._place = generations, place

    @cached_property
    def rows(self) -> PlacedRows[R]:
        """See `RowFollower.rows`."""
        return PlacedRows(self._place, self.name, self._guarded)

    async def switch(self) -> bool:
        """See `Build.switch`."""
        done = await super().switch()
        if done:
            await self._placed.sweep()
        return done


class PlacedReader(ModelReader[R]):
    """Answers from a `RowStore`: what it cannot find by a key, it looks for among all rows."""

    def __init__(self, model: PlacedReadModel[R], place: Place[R]) -> None:
        super().__init__(model.spec, model.table, model.database)
        self._model, self._place = model, place

    async def get(self, key: object) -> R | None:
        """See `Source.get`."""

        async def look() -> R | None:
            found = await self.placed(key)
            return None if found is None else found[0]

        return await self._answer(look)

    async def placed(self, key: object) -> tuple[R, int] | None:
        """See `RowReader.placed`."""
        name = self.spec.name
        found = await self._database.read(lambda c: self._place.load(c, name, [key]))
        row, position = found.get(key, (None, 0))
        return None if row is None else (row, position)

    async def fetch(self, selection: Selection) -> list[R]:
        """See `Source.fetch`."""

        async def look() -> list[R]:
            async with AsyncExitStack() as stack:
                return await (await self._all(stack)).fetch(selection)

        return await self._answer(look)

    async def count(self, selection: Selection) -> int:
        """See `Source.count`."""

        async def look() -> int:
            async with AsyncExitStack() as stack:
                return await (await self._all(stack)).count(selection)

        return await self._answer(look)

    def select(self, selection: Selection) -> Select[Any]:
        """See `Source.select`. There is no database that could be asked."""
        raise WiringError(
            f"{self.spec.name} is in no SQL database: await the question itself, with where,"
            " order_by and the like, or ask its store in its own words"
        )

    async def _all(self, stack: AsyncExitStack) -> RowReader[R]:
        """All rows, where questions can be asked about them."""
        name = self.spec.name
        found = await self._database.read(lambda c: list(self._place.scan(c, name)))
        scratch = Scratch(self._model.fold, self.table)
        await scratch.open()
        stack.push_async_callback(scratch.close)
        await scratch.keep({key: row for key, row, _ in found})
        return scratch.reader


class PlacedAudit(RowAudit[R]):
    """Looks at rows while nobody can follow the log: they are not in the same transaction."""

    def __init__(self, model: PlacedReadModel[R], place: Place[R]) -> None:
        super().__init__(model, model.database)
        self._place, self._name = place, model.name

    async def count(self) -> int:
        """See `Auditable.count`."""
        return await self._database.read(lambda c: sum(1 for _ in self._place.scan(c, self._name)))

    async def survey(self, takes: Takes | None) -> Survey[R]:
        """See `Auditable.survey`."""

        def look(connection: Connection) -> Survey[R]:
            survey = self._held(connection)
            for key, row, position in self._place.scan(connection, self._name):
                if takes is None or takes(key):
                    survey.rows[key] = row, position
            return survey

        return await self._database.write(look)

    async def survey_of(self, keys: Collection[object]) -> Survey[R]:
        """See `Auditable.survey_of`."""

        def look(connection: Connection) -> Survey[R]:
            survey = self._held(connection)
            found = self._place.load(connection, self._name, keys)
            for key, (row, position) in found.items():
                if row is not None:
                    survey.rows[key] = row, position
            return survey

        try:
            return await self._database.write(look)
        except Unreadable:
            return await self.survey(set(keys).__contains__)

    async def mend(self, keys: Collection[object], refold: Refold[R]) -> None:
        """See `Auditable.mend`. Those who follow the log wait meanwhile."""
        loop = asyncio.get_running_loop()

        def write(connection: Connection) -> None:
            marks = self._database.checkpoints.touch_all(connection, self._name)
            survey = self._without_rows(connection)
            survey.marks = marks
            folding = asyncio.run_coroutine_threadsafe(refold(survey), loop)
            rows, last = folding.result(PATIENCE)
            made = {key: (row, last[key]) for key in keys if (row := rows.get(key)) is not None}
            # Positions may be wrong, too.
            self._place.delete(connection, self._name, keys)
            self._place.store(connection, self._name, made)

        await self._database.write(write)

    def _held(self, connection: Connection) -> Survey[R]:
        marks = self._database.checkpoints.hold(connection, self._name)
        survey = self._without_rows(connection)
        survey.marks = marks
        return survey


class PlacedControls(ModelControls):
    """Of a read model in a `RowStore`."""

    def __init__(
        self,
        generations: PlacedGenerations,
        live: PlacedReadModel[Any],
        database: ReadDatabase,
        audit: RowAudit[Any],
    ) -> None:
        super().__init__(generations, live, database, audit)
        self._placed = generations

    async def cancel(self) -> bool:
        """See `Controls.cancel`."""
        done = await super().cancel()
        await self._placed.sweep()
        return done

    async def clean(self) -> bool:
        """See `Controls.clean`."""
        done = await super().clean()
        await self._placed.sweep()
        return done

    async def drop(self) -> None:
        """See `Controls.drop`."""
        await super().drop()
        await self._placed.empty()
