"""The database that read models live in: its engine, its threads and its transactions."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from whence.backends.sql.checkpoints import Checkpoints
from whence.backends.sql.columns import DECIMAL, compare_decimals
from whence.backends.sql.failures import translated
from whence.errors import StoreError

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

    ``sqlite://`` is a database in memory, which ends with `close`.
    """

    def __init__(self, url: str, *, readers: int = 4, writers: int = 4) -> None:
        try:
            self._url = make_url(url)
        except SQLAlchemyError as error:
            raise translated(error, url) from error
        if self._url.drivername == "postgresql":
            self._url = self._url.set(drivername="postgresql+psycopg")
        self.url = self._url.render_as_string(hide_password=True)
        self._sqlite = self._url.get_backend_name() == "sqlite"
        self.in_memory = self._sqlite and self._url.database in (None, "", ":memory:")
        # SQLite has one writer at a time; waiting in line is quicker than its busy handler.
        self._sizes = (1 if self.in_memory else readers, 1 if self._sqlite else writers)
        self._open: tuple[Engine, ThreadPoolExecutor, ThreadPoolExecutor] | None = None

    async def open(self) -> None:
        """Connect, and create the table of checkpoints. Raises the `StoreError` that fits."""
        if self._open is None:
            self._open = await asyncio.to_thread(self._start)

    async def close(self) -> None:
        """Finish what runs and let go of the database."""
        if self._open is not None:
            (engine, *pools), self._open = self._open, None
            await asyncio.to_thread(_stop, engine, pools)

    @property
    def engine(self) -> Engine:
        """The engine, for work of your own. Raises `StoreError` if the database is not open."""
        return self._parts[0]

    async def read(self, task: Callable[[Connection], Result]) -> Result:
        """Run ``task`` on one consistent state of the database."""
        engine, readers, _ = self._parts
        return await asyncio.get_running_loop().run_in_executor(
            readers, self._transaction, engine, task
        )

    async def write(self, task: Callable[[Connection], Result]) -> Result:
        """Run ``task`` in a transaction: all that it writes is kept, or nothing if it raises."""
        engine, _, writers = self._parts
        writing = engine.execution_options(whence_writes=True)
        return await asyncio.get_running_loop().run_in_executor(
            writers, self._transaction, writing, task
        )

    @property
    def _parts(self) -> tuple[Engine, ThreadPoolExecutor, ThreadPoolExecutor]:
        if self._open is None:
            raise StoreError(f"the read database {self.url} is not open")
        return self._open

    def _transaction(self, engine: Engine, task: Callable[[Connection], Result]) -> Result:
        try:
            with engine.begin() as connection:
                return task(connection)
        except SQLAlchemyError as error:
            raise translated(error, self.url) from error

    def _start(self) -> tuple[Engine, ThreadPoolExecutor, ThreadPoolExecutor]:
        readers, writers = self._sizes
        engine = self._engine(1 if self.in_memory else readers + writers)
        try:
            self.checkpoints = Checkpoints(engine.dialect)
            creating = self.checkpoints.create
            self._transaction(engine.execution_options(whence_writes=True), creating)
        except BaseException:
            engine.dispose()
            raise
        return (
            engine,
            ThreadPoolExecutor(readers, "whence-read"),
            ThreadPoolExecutor(writers, "whence-project"),
        )

    def _engine(self, connections: int) -> Engine:
        arguments: dict[str, Any] = {"check_same_thread": False} if self._sqlite else {}
        try:
            engine = create_engine(
                self._url,
                poolclass=QueuePool,
                pool_size=connections,
                max_overflow=0,
                connect_args=arguments,
            )
        except SQLAlchemyError as error:
            raise translated(error, self.url) from error
        if self._sqlite:
            event.listen(engine, "connect", _prepare)
            event.listen(engine, "begin", _begin)
        return engine


def _prepare(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # we say "begin" ourselves
    connection.executescript(_PRAGMAS)
    connection.create_collation(DECIMAL, compare_decimals)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("whence_writes")
    connection.exec_driver_sql("begin immediate" if writes else "begin")


def _stop(engine: Engine, pools: list[ThreadPoolExecutor]) -> None:
    for pool in pools:
        pool.shutdown()
    engine.dispose()
