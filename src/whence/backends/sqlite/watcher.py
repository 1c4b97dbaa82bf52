"""Wakes those who wait for new events, from this process at once, from others soon."""

import asyncio
import sqlite3
import threading
from contextlib import suppress

from whence.backends.sqlite import selecting
from whence.backends.sqlite.file import File
from whence.backends.sqlite.statements import SQL
from whence.errors import StoreError

_POLL = 0.04
"""Seconds between two looks for what other processes wrote, while somebody waits."""


class Watcher:
    """A thread that sleeps unless somebody waits."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._head = 0  # as far as anybody said
        self._thread = threading.Thread(target=self._run, name=f"watcher {file.path}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wake everybody and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self.moved(1 << 63)

    async def wait(self, after: int, timeout: float) -> None:
        """See `EventStore.wait`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._head > after:
                return
            self._waiting[future] = after
            self._changed.notify()
        try:
            with suppress(TimeoutError):
                # not wait_for: in Python 3.11 that may swallow a cancellation
                async with asyncio.timeout(timeout):
                    await future
        finally:
            with self._changed:
                self._waiting.pop(future, None)

    def moved(self, head: int) -> None:
        """The log has grown to ``head``."""
        with self._changed:
            self._head = max(self._head, head)
            woken = [future for future, after in self._waiting.items() if after < head]
            for future in woken:
                del self._waiting[future]
        for future in woken:
            with suppress(RuntimeError):  # that loop has ended
                future.get_loop().call_soon_threadsafe(_wake, future)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        seen = -1
        while self._somebody_waits():
            with suppress(sqlite3.Error, StoreError):  # only a hint: whoever reads will hear of it
                connection = connection or self._file.connect()
                (version,) = connection.execute(SQL["changes"]).fetchone()
                if version != seen:
                    self.moved(selecting.head(connection))
                    seen = version
            with self._changed:
                self._changed.wait_for(lambda: self._closed, _POLL)
        if connection is not None:
            connection.close()

    def _somebody_waits(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            return not self._closed


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
