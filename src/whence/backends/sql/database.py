"""The database that read models live in: its engine, its threads and its transactions."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from whence.backends.sql import dialects, leases, schema
from whence.backends.sql.address import address
from whence.backends.sql.board import Board
from whence.backends.sql.checkpoints import Checkpoints
from whence.backends.sql.columns import DECIMAL, compare_decimals
from whence.backends.sql.dead import Dead
from whence.backends.sql.failures import translated
from whence.backends.sql.leases import Leases
from whence.backends.sql.registry import Registry
from whence.clock import Clock, SystemClock
from whence.envelope import to_micros
from whence.errors import StoreError
from whence.folds import Skipped
from whence.leases import Everything, Ownership
from whence.status import Owner

Result = TypeVar("Result")

_PRAGMAS = """
pragma journal_mode = wal;
pragma synchronous = normal;
pragma busy_timeout = 10000;
pragma cache_size = -65536;
pragma wal_autocheckpoint = 2000;
pragma foreign_keys = on;
"""
# After a power loss the file may have gone back a little, rows and checkpoints together:
# what is missing is then projected again. So `synchronous = normal` loses nothing.


class ReadDatabase:
    """Runs work on a database in threads: one transaction for each piece of work.

    ``sqlite://`` is a database in memory, which ends with `close`. ``lease`` is after how many
    seconds others take over the slices of a process that is not heard of.
    """

    def __init__(
        self,
        url: str,
        *,
        readers: int = 4,
        writers: int = 4,
        clock: Clock | None = None,
        lease: float | None = None,
    ) -> None:
        self._address = address(url)
        self._url, self.url = self._address.url, self._address.shown
        if self._address.pool is not None:
            rest = self._address.pool - 2
            writers = rest // 2
            readers = rest - writers
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self.in_memory = self._sqlite and self._url.database in (None, "", ":memory:")
        # SQLite has one writer at a time; waiting in line is quicker than its busy handler.
        self._sizes = (1 if self.in_memory else readers, 1 if self._sqlite else writers)
        self._clock = clock or SystemClock()
        self._engine = self._make_engine(1 if self.in_memory else sum(self._sizes))
        dialect = self._engine.dialect
        self.checkpoints, self.registry = Checkpoints(dialect), Registry(dialect)
        self.dead = Dead(dialect)
        self.leases: Leases | None = None
        """Through which processes share the work; None: each of them does all of it."""
        if dialects.is_postgres(dialect):
            self.leases = Leases(self._make_engine(2), seconds=lease or leases.LEASE)
        self.ownership: Ownership = self.leases or Everything()
        self._pools: tuple[ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    async def open(self) -> None:
        """Connect, and create our own tables. Raises the `StoreError` that fits."""
        if self._pools is None:
            readers, writers = self._sizes
            self._pools = (
                ThreadPoolExecutor(readers, "whence-read"),
                ThreadPoolExecutor(writers, "whence-project"),
            )
            try:
                await self._make_tables()
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Finish what runs and let go of the database."""
        if self.leases is not None:
            await self.leases.close()
        if self._pools is not None:
            pools, self._pools = self._pools, None
            await asyncio.to_thread(_stop, self._engine, pools)

    @property
    def slices(self) -> int:
        """How many slices a new read model gets: as many processes can share its work."""
        return 16 if self.leases is not None else 1

    @property
    def engine(self) -> Engine:
        """The engine, for work of your own. Raises `StoreError` if the database is not open."""
        self._threads(0)
        return self._engine

    def now(self) -> int:
        """The current moment, in microseconds since 1970."""
        return to_micros(self._clock.now())

    async def owners(self, name: str) -> list[Owner]:
        """Who works on the slices of a projection."""
        if self.leases is None:
            return []
        holders = await self.leases.status(name)
        return [Owner(one.worker, one.slices, one.seconds) for one in holders]

    async def left_out(self, name: str) -> Skipped:
        """The events that are not in a projection's rows: skipped ones, and those that wait."""

        def look(connection: Connection) -> Skipped:
            parked = self.dead.load(connection, name)
            skipped = self.dead.skipped(connection, name)
            return skipped | {(one.key, one.position) for one in parked}

        return await self.look(look)

    async def parked(self, name: str, keys: Collection[str]) -> str | None:
        """Why the events of one of these keys of a projection wait; None: they do not."""

        def look(connection: Connection) -> str | None:
            letters = [one for key in keys for one in self.dead.load(connection, name, key)]
            return next((one.error for one in letters if one.error), None)

        return await self.look(look)

    async def read(self, task: Callable[[Connection], Result]) -> Result:
        """Run ``task``, which asks one thing, and may be run again if the connection was lost."""
        return await self._run(0, partial(self._read, task))

    async def look(self, task: Callable[[Connection], Result]) -> Result:
        """Run ``task``, which asks several things, on one consistent state of the database."""
        options = {} if self._sqlite else {"isolation_level": "REPEATABLE READ"}
        return await self._run(0, partial(self._transaction, options, task))

    async def write(self, task: Callable[[Connection], Result]) -> Result:
        """Run ``task`` in a transaction: all that it writes is kept, or nothing if it raises."""
        options: dict[str, Any] = {"whence_writes": True}
        if not self._sqlite:
            options["isolation_level"] = "READ COMMITTED"
        return await self._run(1, partial(self._transaction, options, task))

    async def define(self, task: Callable[[Connection], Result]) -> Result:
        """The same for what creates, drops or renames tables: one at a time over all processes."""

        def alone(connection: Connection) -> Result:
            if self.leases is not None:
                self.leases.sign(connection)
            with dialects.defining(connection):
                return task(connection)

        return await self.write(alone)

    async def _run(self, which: int, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads(which), work)

    def _threads(self, which: int) -> ThreadPoolExecutor:
        if self._pools is None:
            raise StoreError(f"the read database {self.url} is not open")
        return self._pools[which]

    async def _make_tables(self) -> None:
        try:
            await self.define(self._create)
        except StoreError as error:  # perhaps it was suspended for so long that others went on
            if not _is_lost(error):
                raise
            await self.define(self._create)

    def _create(self, connection: Connection) -> None:
        schema.create(connection)
        if self.leases is not None:
            Board(connection.dialect).create(connection)

    def _read(self, task: Callable[[Connection], Result]) -> Result:
        # One statement sees one state anyway. Where tables are renamed under a transaction's
        # feet, it could see the new table as it was before it was filled.
        options = {} if self._sqlite else {"isolation_level": "AUTOCOMMIT"}
        try:
            return self._transaction(options, task)
        except StoreError as error:
            if not _is_lost(error):
                raise
            return self._transaction(options, task)

    def _transaction(
        self, options: dict[str, Any], task: Callable[[Connection], Result]
    ) -> Result:
        try:
            with self._engine.execution_options(**options).begin() as connection:
                return task(connection)
        except (SQLAlchemyError, OverflowError) as error:
            raise translated(error, self.url) from error

    def _make_engine(self, connections: int) -> Engine:
        arguments: dict[str, Any] = {"check_same_thread": False} if self._sqlite else {}
        if self._address.pooled:
            arguments["prepare_threshold"] = None
        try:
            engine = create_engine(
                self._url,
                poolclass=QueuePool,
                pool_size=connections,
                max_overflow=0,
                connect_args=arguments,
            )
        except (SQLAlchemyError, ImportError) as error:
            raise translated(error, self.url) from error
        if self._sqlite:
            event.listen(engine, "connect", _prepare)
            event.listen(engine, "begin", _begin)
        return engine


def _is_lost(error: StoreError) -> bool:
    """Whether it was the connection, so that another one may do."""
    cause = error.__cause__
    return isinstance(cause, DBAPIError) and cause.connection_invalidated


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # we say "begin" ourselves
    connection.executescript(_PRAGMAS)
    connection.create_collation(DECIMAL, compare_decimals)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("whence_writes")
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def _stop(engine: Engine, pools: tuple[ThreadPoolExecutor, ...]) -> None:
    for pool in pools:
        pool.shutdown()
    engine.dispose()
