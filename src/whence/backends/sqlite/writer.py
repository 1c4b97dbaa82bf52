"""The one thread that writes: whatever waits goes into one transaction."""

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from whence.backends.sqlite.appending import Appender
from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.schema import connect
from whence.backends.sqlite.threads import Counter, Ticket, answer
from whence.errors import StoreError, Unknown
from whence.store import Commit

_MOST_COMMITS = 1_000
_MOST_BYTES = 16_000_000

Task = Callable[[sqlite3.Connection], object]
Job = Sequence[Commit] | Task


class Writer:
    """Owns the writing connection. ``on_head`` is told each new head, right after a commit."""

    def __init__(self, path: Path, on_head: Callable[[int], None]) -> None:
        self.counter: Counter[Job] = Counter()
        self._path = path
        self._on_head = on_head
        self._waiting: deque[Ticket[Job]] = deque()
        self._connect()
        self._thread = threading.Thread(target=self._run, name=f"writer {path}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then let go of the file."""
        self.counter.close()
        self._thread.join()

    def _connect(self) -> None:
        self._connection = connect(self._path, writer=True)
        self._appender = Appender(self._connection)

    def _run(self) -> None:
        while self._collect():
            first = self._waiting[0]
            if callable(first.job):
                tickets = [self._waiting.popleft()]
                self._execute(tickets[0], first.job)
            else:
                tickets = self._batch()
                self._append(tickets)
            answer(tickets)
        self._connection.close()

    def _collect(self) -> bool:
        """Wait for work and take all there is; False when there will be none any more."""
        queue = self.counter.queue
        while not self._waiting or not queue.empty():
            tickets = queue.get()
            if tickets is None:
                queue.put(None)  # for the next time round
                return bool(self._waiting)
            self._waiting += [ticket for ticket in tickets if not ticket.future.cancelled()]
        return True

    def _batch(self) -> list[Ticket[Job]]:
        """The next calls that go into one transaction. One call is never divided."""
        batch: list[Ticket[Job]] = []
        waiting, commits, size = self._waiting, 0, 0
        while waiting and commits < _MOST_COMMITS and size < _MOST_BYTES:
            job = waiting[0].job
            if callable(job):
                break
            batch.append(waiting.popleft())
            commits += len(job)
            for commit in job:
                for event in commit.events:
                    size += len(event.data)
        return batch

    def _append(self, tickets: Sequence[Ticket[Job]]) -> None:
        commits: list[Commit] = []
        for ticket in tickets:
            commits += cast("Sequence[Commit]", ticket.job)
        try:
            outcomes = self._appender.append(commits)
        except sqlite3.Error as error:
            self._resolve(tickets, error)
            return
        except Exception as error:  # one caller's mistake, such as data that is not bytes
            self._one_by_one(tickets, error)
            return
        self._on_head(self._appender.head)
        done = 0
        for ticket in tickets:
            number = len(cast("Sequence[Commit]", ticket.job))
            ticket.answer = outcomes[done : done + number]
            done += number

    def _one_by_one(self, tickets: Sequence[Ticket[Job]], error: Exception) -> None:
        """So that only the one whose mistake it was gets to hear of it."""
        if len(tickets) == 1:
            tickets[0].error = error
            return
        for ticket in tickets:
            self._append([ticket])

    def _resolve(self, tickets: Sequence[Ticket[Job]], error: sqlite3.Error) -> None:
        """The transaction failed: learn what became of each commit."""
        for ticket in tickets:
            if callable(ticket.job):
                continue
            try:
                outcomes = [self._appender.first_outcome(commit.id) for commit in ticket.job]
            except sqlite3.Error:
                reason = str(translated(error, self._path))
                ticket.answer = [Unknown(commit.id, reason) for commit in ticket.job]
                self._reconnect()
                continue
            if all(outcomes):
                ticket.answer = outcomes
            else:
                ticket.error = self._explained(error)

    def _explained(self, error: sqlite3.Error) -> StoreError:
        failure = translated(error, self._path)
        failure.__cause__ = error
        return failure

    def _reconnect(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        with contextlib.suppress(sqlite3.Error):
            self._connect()

    def _execute(self, ticket: Ticket[Job], task: Task) -> None:
        """In a transaction of its own."""
        connection = self._connection
        try:
            connection.execute("begin immediate")
            ticket.answer = task(connection)
            connection.execute("commit")
        except Exception as error:
            ticket.error = self._explained(error) if isinstance(error, sqlite3.Error) else error
            if connection.in_transaction:
                connection.execute("rollback")
