"""A few threads that read, each with a connection of its own; they never block the writer.

Small looks are done in the event loop itself, as long as they are swift: threads would take the
interpreter from each other, and from the loop, with every row.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from itertools import takewhile

from whence.backends.sqlite.failures import explained
from whence.backends.sqlite.file import File
from whence.backends.sqlite.statements import SQL
from whence.backends.sqlite.threads import Counter, Pace, Ticket, answer

_SWIFT = 0.002
"""Seconds. No event loop does by itself what takes longer on average, nor more at a time."""
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

    def _at_once(self, tickets: Sequence[Ticket[Look]]) -> int:
        """Look in the event loop, as long as it need not wait long for it."""
        small = list(takewhile(_is_small, tickets))
        if not small or not self._pace.swift or not self._turn.acquire(blocking=False):
            return 0
        try:
            return 0 if self.counter.closed else self._own.look(small, _SWIFT)
        finally:
            self._turn.release()

    def _run(self) -> None:
        reader = _Reader(self._file, self._pace)
        while (tickets := self.counter.queue.get()) is not None:
            while tickets:
                done = reader.look(tickets, _LATE)
                answer(tickets[:done])
                tickets = tickets[done:]
        self.counter.queue.put(None)  # for the next thread
        reader.close()


class _Reader:
    """A connection, made when it is first needed, and how long its looks take."""

    def __init__(self, file: File, pace: Pace) -> None:
        self._file = file
        self._pace = pace
        self._connection: sqlite3.Connection | None = None

    def look(self, tickets: Sequence[Ticket[Look]], most: float) -> int:
        """Find the answers, or the errors, until ``most`` seconds are over; say how many.

        They are found in one transaction: to begin one for each would take longer.
        """
        begun = now = time.perf_counter()
        done = 0
        for ticket in tickets:
            done += 1
            if ticket.future.cancelled():
                continue
            self._answer(ticket)
            before, now = now, time.perf_counter()
            if ticket.small:
                self._pace.took(now - before)
            if now - begun > most:
                break
        self._end()
        return done

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answer(self, ticket: Ticket[Look]) -> None:
        try:
            ticket.answer = ticket.job(self._begun())
        except Exception as error:
            ticket.error = explained(error, self._file.path)
            if isinstance(error, sqlite3.Error):
                self.close()  # the next look begins anew

    def _begun(self) -> sqlite3.Connection:
        """The connection, in a transaction."""
        connection = self._connection
        if connection is None or not connection.in_transaction:
            self._file.check()
            self._connection = connection = connection or self._file.connect()
            connection.execute(SQL["look"])
        return connection

    def _end(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("commit")
            except sqlite3.Error:
                self.close()


def _is_small(ticket: Ticket[Look]) -> bool:
    return ticket.small
