"""A read model in a SQL database: kept up to date, and rebuilt beside the live one."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Connection

from whence.backends.sql.answering import ModelReader
from whence.backends.sql.auditing import RowAudit
from whence.backends.sql.building import NextTable
from whence.backends.sql.controls import ModelControls
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.folding import RowFollower
from whence.backends.sql.generations import Generations
from whence.backends.sql.letters import SqlLetters
from whence.backends.sql.reader import RowReader
from whence.backends.sql.registry import Record
from whence.codec import Codec
from whence.folds import Fold
from whence.letters import Letters
from whence.readmodels import ReadModel, ReadModelSpec
from whence.store import EventStore
from whence.subscribers import Build, Halted

R = TypeVar("R", bound=ReadModel)

Reached = Callable[[int, float], Awaitable[None]]
"""Waits for a position, so many seconds at most."""


class SqlReadModel(RowFollower[R]):
    """One read model in one database: a `Subscriber` to the log."""

    def __init__(self, spec: ReadModelSpec[R], database: ReadDatabase, codec: Codec) -> None:
        super().__init__(spec, spec.name, database, Fold(spec, codec))
        self._generations = Generations(spec, database)

    @cached_property
    def reader(self) -> RowReader[R]:
        """Who answers questions about the rows."""
        return ModelReader(self.spec, self.table, self.database)

    def reaching(self, store: EventStore, reached: Reached) -> Reached:
        """What waits until the rows are as far as a position; ``reached``: its subscription."""
        return reached

    @property
    def controls(self) -> ModelControls:
        """What people can do with it."""
        return ModelControls(self._generations, self, self.database, self.audit)

    @property
    def audit(self) -> RowAudit[R]:
        """Its rows as a whole."""
        return RowAudit(self, self.database)

    def letters(self, store: EventStore) -> Letters:
        """See `Subscriber.letters`."""
        return SqlLetters(self, self._next(0), store)

    async def start(self) -> Build | None:
        """See `Subscriber.start`."""
        next = await self.database.define(self._prepare)
        return None if next is None else self._next(next.generation)

    async def rebuild(self, head: int) -> Build:
        """See `Subscriber.rebuild`."""
        return self._next((await self.database.define(self._begin)).generation)

    async def building(self) -> Build | None:
        """See `Subscriber.building`."""
        registry, name = self.database.registry, self._generations.next
        found = await self.database.read(lambda c: registry.load(c, name))
        if found is None or found.shape != self.shape:
            return None
        return self._next(found.generation)

    async def missing(self) -> Sequence[str]:
        """See `Subscriber.missing`."""
        return await self.database.look(self._generations.missing)

    def _next(self, generation: int) -> NextTable[R]:
        return NextTable(self.spec, self.database, self.fold, self._generations, generation)

    def _prepare(self, connection: Connection) -> Record | None:
        self._check_wanted(connection)
        return self._generations.start(connection)

    def _begin(self, connection: Connection) -> Record:
        self._check_wanted(connection)
        return self._generations.begin(connection)

    def _check_wanted(self, connection: Connection) -> None:
        live = self.database.registry.load(connection, self.name)
        if live is not None and live.wanted != "running":
            raise Halted(live.wanted)
