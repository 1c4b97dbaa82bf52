"""The event store in one SQLite file."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from whence.backends.sqlite import schema, selecting
from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.readers import Readers
from whence.backends.sqlite.watcher import Watcher
from whence.backends.sqlite.writer import Writer
from whence.errors import StoreError
from whence.store import Commit, EventQuery, Outcome, Page

Result = TypeVar("Result")
_FEW = 10
"""Events. No event loop waits while more than this are written at once."""


class SqliteStore:
    """Durable (WAL, ``synchronous=FULL``) and shared safely with other processes.

    Use it in ``async with``, or call `open` and `close`.
    """

    def __init__(self, path: str | os.PathLike[str], *, readers: int = 2) -> None:
        self.path = Path(path)
        self._number_of_readers = readers
        self._open: tuple[Writer, Readers, Watcher] | None = None

    async def __aenter__(self) -> "SqliteStore":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Create the file or check it. Raises the `StoreError` that says what is wrong."""
        if self._open is None:
            self._open = await asyncio.to_thread(self._start)

    async def close(self) -> None:
        """Finish what waits and let go of the file."""
        if self._open is not None:
            parts, self._open = self._open, None
            await asyncio.sleep(0)  # what this iteration of the loop has brought is on its way
            await asyncio.to_thread(lambda: [part.close() for part in parts])

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        """See `EventStore.append`. Cancelled while it waits: the outcome is unknown."""
        if not commits:
            return []
        small = len(commits) == 1 and len(commits[0].events) <= _FEW
        outcomes: list[Outcome] = await self._parts[0].counter.submit(commits, small=small)
        return outcomes

    async def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        """See `EventStore.read`."""
        if limit is not None and limit < 1:
            raise ValueError("a limit is at least 1")
        scan = selecting.Scan(query, after, backwards, limit)
        finished = False
        while not finished:
            page, finished = await self._parts[1].counter.submit(scan.page, small=True)
            yield page
            scan = scan.beyond(page)

    async def head(self) -> int:
        """See `EventStore.head`."""
        head: int = await self._parts[1].counter.submit(selecting.head, small=True)
        return head

    async def wait(self, after: int, timeout: float) -> None:
        """See `EventStore.wait`."""
        await self._parts[2].wait(after, timeout)

    async def streams(
        self, prefix: str = "", *, after: str = "", limit: int = 1_000
    ) -> list[tuple[str, int]]:
        """Streams and their versions by name: those after ``after`` that start so."""
        return await self.query(lambda c: selecting.streams(c, prefix, after, limit))

    async def execute(self, task: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``task`` in the writer's thread, in a transaction of its own."""
        result: Result = await self._parts[0].counter.submit(task)
        return result

    async def query(self, look: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run ``look`` in a reader's thread."""
        result: Result = await self._parts[1].counter.submit(look)
        return result

    @property
    def _parts(self) -> tuple[Writer, Readers, Watcher]:
        if self._open is None:
            raise StoreError(f"{self.path} is not open: use `async with SqliteStore(path)`")
        return self._open

    def _start(self) -> tuple[Writer, Readers, Watcher]:
        schema.prepare(self.path)
        watcher = Watcher(self.path)
        try:
            writer = Writer(self.path, watcher.moved)
        except sqlite3.Error as error:
            watcher.close()
            raise translated(error, self.path) from error
        return writer, Readers(self.path, self._number_of_readers), watcher
