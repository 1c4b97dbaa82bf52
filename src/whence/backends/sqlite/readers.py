"""A few threads that read, each with a connection of its own; they never block the writer."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.schema import connect
from whence.backends.sqlite.threads import Counter, Ticket, answer

Look = Callable[[sqlite3.Connection], object]


class Readers:
    """The pool. What one event loop asks in one iteration is answered by one thread."""

    def __init__(self, path: Path, number: int) -> None:
        self.counter: Counter[Look] = Counter()
        self._path = path
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

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (tickets := self.counter.queue.get()) is not None:
            for ticket in tickets:
                try:
                    connection = connection or connect(self._path)
                    self._look(ticket, connection)
                except sqlite3.Error as error:
                    ticket.error = translated(error, self._path)
                    ticket.error.__cause__ = error
            answer(tickets)
        self.counter.queue.put(None)  # for the next thread
        if connection is not None:
            connection.close()

    def _look(self, ticket: Ticket[Look], connection: sqlite3.Connection) -> None:
        if ticket.future.cancelled():
            return
        try:
            ticket.answer = ticket.job(connection)
        except sqlite3.Error:
            raise
        except Exception as error:
            ticket.error = error
