"""The event store in one SQLite file."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from whence.backends.sqlite import schema, selecting, stretches
from whence.backends.sqlite.appending import Inline
from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.file import forked
from whence.backends.sqlite.readers import Readers
from whence.backends.sqlite.watcher import Watcher
from whence.backends.sqlite.writer import Writer
from whence.errors import StoreError
from whence.forks import this_process
from whence.store import Commit, EventQuery, Outcome, Page, check_read
from whence.tasks import finished

Result = TypeVar("Result")
_Parts = tuple[Writer, Readers, Watcher]


class SqliteStore:
    """Durable (WAL, ``synchronous=FULL``) and shared safely with other processes.

    Use it in ``async with``, or call `open` and `close`.
    """

    def __init__(self, path: str | os.PathLike[str], *, readers: int = 2) -> None:
        self.path = Path(path)
        self.inline: Inline | None = None
        """Set it before the store is opened."""
        self._number_of_readers = readers
        self._open: _Parts | None = None
        self._closing = ExitStack()
        self._process = 0  # that has opened it: its threads and locks do not come with a fork
        self._opening = threading.Lock()

    async def __aenter__(self) -> "SqliteStore":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Create the file or check it. Raises the `StoreError` that says what is wrong."""
        if self._open is not None:
            return
        try:
            await finished(asyncio.to_thread(self._start))
        except asyncio.CancelledError:  # nobody else would close what the thread has opened
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what waits and let go of the file. In a fork there is nothing to let go of."""
        if self._open is not None and self._process == this_process():
            (_, readers, _), self._open = self._open, None
            await finished(self._let_go(readers))

    async def _let_go(self, readers: Readers) -> None:
        await readers.counter.hand_over()  # by then appends are on their way, too
        await asyncio.to_thread(self._closing.close)

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        """See `EventStore.append`. Cancelled while it waits: the outcome is unknown."""
        if not commits:
            return []
        writer = self._parts[0]
        size = sum([len(e.data) + len(e.metadata) for commit in commits for e in commit.events])
        outcomes: list[Outcome] = await writer.counter.submit(commits, size=size)
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
        check_read(after, limit)
        scan = stretches.scan_of(query, after, backwards, limit)
        while True:
            page, finished = await self._parts[1].counter.submit(scan.page, small=True)
            yield page
            if finished:
                return
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
    def _parts(self) -> _Parts:
        if self._open is None:
            raise StoreError(f"{self.path} is not open: use `async with SqliteStore(path)`")
        if self._process != this_process():
            raise forked(self.path)
        return self._open

    def _start(self) -> None:
        with self._opening:
            if self._open is not None:  # by somebody at the same time
                return
            file = schema.prepare(self.path)
            with ExitStack() as undoing:
                undoing.callback(file.closed)
                file.opened()
                watcher = Watcher(file)
                undoing.callback(watcher.close)
                readers = Readers(file, self._number_of_readers)
                undoing.callback(readers.close)
                try:
                    writer = Writer(file, watcher.moved, self.inline)
                except sqlite3.Error as error:
                    raise translated(error, self.path) from error
                undoing.callback(writer.close)
                self._closing = undoing.pop_all()
            self._process, self._open = this_process(), (writer, readers, watcher)
