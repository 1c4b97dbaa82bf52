"""A few threads that read, each with a connection of its own; they never block the writer.

Only a small look that comes alone, while looks are swift, is done in the event loop itself.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.schema import connect
from whence.backends.sqlite.threads import Counter, Pace, Ticket, answer

_SWIFT = 0.0005
"""Seconds. No event loop does by itself what takes longer on average."""

Look = Callable[[sqlite3.Connection], object]


class Readers:
    """The pool. What one event loop asks in one iteration is answered by one thread."""

    def __init__(self, path: Path, number: int) -> None:
        self.counter: Counter[Look] = Counter(self._at_once)
        self._path = path
        self._pace = Pace(_SWIFT)
        self._own = _Reader(path, self._pace)  # for the event loops
        self._turn = threading.Lock()  # held by whoever uses that one
        self._threads = [
            threading.Thread(target=self._run, name=f"reader {n} {path}", daemon=True)
            for n in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what waits, then let go of the file."""
        self.counter.close()
        for thread in self._threads:
            thread.join()
        self._own.close()

    def _at_once(self, ticket: Ticket[Look]) -> bool:
        if not self._pace.swift or not self._turn.acquire(blocking=False):
            return False
        try:
            self._own.look(ticket)
        finally:
            self._turn.release()
        return True

    def _run(self) -> None:
        reader = _Reader(self._path, self._pace)
        while (tickets := self.counter.queue.get()) is not None:
            for ticket in tickets:
                if not ticket.future.cancelled():
                    reader.look(ticket)
            answer(tickets)
        self.counter.queue.put(None)  # for the next thread
        reader.close()


class _Reader:
    """A connection, made when it is first needed, and how long its looks take."""

    def __init__(self, path: Path, pace: Pace) -> None:
        self._path = path
        self._pace = pace
        self._connection: sqlite3.Connection | None = None

    def look(self, ticket: Ticket[Look]) -> None:
        """Find the answer, or the error."""
        begun = time.perf_counter()
        try:
            self._connection = self._connection or connect(self._path)
            ticket.answer = ticket.job(self._connection)
        except sqlite3.Error as error:
            ticket.error = translated(error, self._path)
            ticket.error.__cause__ = error
        except Exception as error:
            ticket.error = error
        if ticket.small:
            self._pace.took(time.perf_counter() - begun)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
