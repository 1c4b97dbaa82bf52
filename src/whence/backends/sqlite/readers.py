"""A few threads that read, each with a connection of its own; they never block the writer.

Only a small look that comes alone, while looks are swift, is done in the event loop itself.
"""

import sqlite3
import threading
import time
from collections.abc import Callable

from whence.backends.sqlite.failures import explained
from whence.backends.sqlite.file import File
from whence.backends.sqlite.threads import Counter, Pace, Ticket, answer

_SWIFT = 0.001
"""Seconds. No event loop does by itself what takes longer on average."""
_LATE = 0.005
"""Seconds. Answers do not wait longer for those that travel with them."""

Look = Callable[[sqlite3.Connection], object]


class Readers:
    """The pool. What one event loop asks in one iteration is answered by one thread."""

    def __init__(self, file: File, number: int) -> None:
        self.counter: Counter[Look] = Counter(str(file.path), self._at_once)
        self._file = file
        self._pace = Pace(_SWIFT)
        self._own = _Reader(file, self._pace)  # for the event loops
        self._turn = threading.Lock()  # held by whoever uses that one
        self._threads = [
            threading.Thread(target=self._run, name=f"reader {n} {file.path}", daemon=True)
            for n in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what waits, then let go of the file."""
        self.counter.close()
        for thread in self._threads:
            thread.join()
        with self._turn:
            self._own.close()

    def _at_once(self, ticket: Ticket[Look]) -> bool:
        if not self._pace.swift or not self._turn.acquire(blocking=False):
            return False
        try:
            if self.counter.closed:
                return False
            self._own.look(ticket)
        finally:
            self._turn.release()
        return True

    def _run(self) -> None:
        reader = _Reader(self._file, self._pace)
        while (tickets := self.counter.queue.get()) is not None:
            answered, begun = 0, time.monotonic()
            for number, ticket in enumerate(tickets, 1):
                if not ticket.future.cancelled():
                    reader.look(ticket)
                if number == len(tickets) or time.monotonic() - begun > _LATE:
                    answer(tickets[answered:number])
                    answered, begun = number, time.monotonic()
        self.counter.queue.put(None)  # for the next thread
        reader.close()


class _Reader:
    """A connection, made when it is first needed, and how long its looks take."""

    def __init__(self, file: File, pace: Pace) -> None:
        self._file = file
        self._pace = pace
        self._connection: sqlite3.Connection | None = None

    def look(self, ticket: Ticket[Look]) -> None:
        """Find the answer, or the error."""
        begun = time.perf_counter()
        try:
            self._file.check()
            self._connection = self._connection or self._file.connect()
            ticket.answer = ticket.job(self._connection)
        except Exception as error:
            ticket.error = explained(error, self._file.path)
            if isinstance(error, sqlite3.Error):
                self.close()  # the next look begins anew
        if ticket.small:
            self._pace.took(time.perf_counter() - begun)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
