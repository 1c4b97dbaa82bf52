"""The rows of a read model as a whole: looked at in one consistent state, and mended."""

import asyncio
from collections.abc import Collection
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Select, func, select

from whence.backends.sql.answering import made_by_others, never_projected
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.folding import RowFollower
from whence.backends.sql.tables import POSITION
from whence.readmodels import ReadModel
from whence.sampling import Takes
from whence.surveys import Refold, Survey

R = TypeVar("R", bound=ReadModel)

_AT_ONCE = 2_000
"""Rows that are fetched at once."""
PATIENCE = 120.0
"""Seconds that a transaction may wait for a few rows to be folded."""


class RowAudit(Generic[R]):
    """See `whence.surveys.Auditable`."""

    def __init__(self, kept: RowFollower[R], database: ReadDatabase) -> None:
        self._kept, self._database = kept, database

    async def count(self) -> int:
        """See `Auditable.count`."""
        statement = select(func.count()).select_from(self._kept.table)
        return await self._database.read(lambda c: int(c.execute(statement).scalar_one()))

    async def survey(self, takes: Takes | None) -> Survey[R]:
        """See `Auditable.survey`."""
        return await self._database.look(lambda c: self._survey(c, takes))

    async def mend(self, keys: Collection[object], refold: Refold[R]) -> None:
        """See `Auditable.mend`. Those who follow the log wait meanwhile."""
        loop = asyncio.get_running_loop()

        def write(connection: Connection) -> None:
            marks = self._database.checkpoints.touch_all(connection, self._kept.name)
            survey = self._without_rows(connection)
            survey.marks = marks
            folding = asyncio.run_coroutine_threadsafe(refold(survey), loop)
            rows, last = folding.result(PATIENCE)
            wanted = list(keys)
            existed = set(self._kept.rows.load(connection, wanted))
            made = {key: rows.get(key) for key in wanted}
            changed = {key: last.get(key, 0) for key in wanted}
            self._kept.rows.store(connection, made, changed, existed)

        await self._database.write(write)

    async def go_back(self, position: int) -> None:
        """See `Auditable.go_back`."""
        checkpoints, name = self._database.checkpoints, self._kept.name
        await self._database.write(lambda c: checkpoints.go_back(c, name, position))

    async def survey_of(self, keys: Collection[object]) -> Survey[R]:
        """See `Auditable.survey_of`."""
        column = self._kept.table.c[self._kept.spec.key]

        def look(connection: Connection) -> Survey[R]:
            found, wanted = self._without_rows(connection), list(keys)
            for start in range(0, len(wanted), _AT_ONCE):
                some = self._select.where(column.in_(wanted[start : start + _AT_ONCE]))
                self._fill(found, connection, some, None)
            return found

        return await self._database.look(look)

    def _survey(self, connection: Connection, takes: Takes | None) -> Survey[R]:
        found = self._without_rows(connection)
        self._fill(found, connection, self._select, takes)
        return found

    @property
    def _select(self) -> Select[Any]:
        table = self._kept.table
        columns = [table.c[column.name] for column in self._kept.spec.columns]
        return select(*columns, table.c.version, table.c[POSITION])

    def _fill(
        self, found: Survey[R], connection: Connection, asked: Select[Any], takes: Takes | None
    ) -> None:
        spec = self._kept.spec
        place, make = [column.name for column in spec.columns].index(spec.key), spec.cls
        rows = connection.execute(asked, execution_options={"yield_per": _AT_ONCE})
        for row in map(tuple[Any, ...], rows):
            key = row[place]
            if takes is None or takes(key):
                found.rows[key] = (make(*row[:-2], version=row[-2]), row[-1])

    def _without_rows(self, connection: Connection) -> Survey[R]:
        database, name = self._database, self._kept.name
        marks = database.checkpoints.load(connection, name)
        record = database.registry.load(connection, name)
        if record is None or not marks:
            raise never_projected(name)
        if record.shape != self._kept.shape:
            raise made_by_others(record)
        letters = database.dead.load(connection, name)
        return Survey(
            marks,
            parked=frozenset((one.key, one.position) for one in letters),
            skipped=database.dead.skipped(connection, name),
        )
