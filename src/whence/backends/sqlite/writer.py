"""The one connection that writes: whatever waits goes into one transaction.

A thread does the work. Only a small append that comes alone, while nothing else is being written
and the disk is swift, is done in the event loop itself: two changes of threads would take about
as long as the disk does.
"""

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from whence.backends.sqlite.appending import Appender, Busy, begin, roll_back
from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.schema import connect
from whence.backends.sqlite.threads import Counter, Pace, Ticket, answer
from whence.errors import StoreError, Unknown
from whence.store import Appended, Commit

_MOST_COMMITS = 1_000
_MOST_BYTES = 16_000_000
_SWIFT = 0.002
"""Seconds. The event loop does not wait for a disk that takes longer on average."""
_MISTAKES = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError)
_NOT_SYNCED = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)

Task = Callable[[sqlite3.Connection], object]
Job = Sequence[Commit] | Task


class Writer:
    """Owns the writing connection. ``on_head`` is told each new head, right after a commit."""

    def __init__(self, path: Path, on_head: Callable[[int], None]) -> None:
        self.counter: Counter[Job] = Counter(self._at_once)
        self._path = path
        self._on_head = on_head
        self._waiting: deque[Ticket[Job]] = deque()
        self._turn = threading.Lock()  # held by whoever uses the connection
        self._pace = Pace(_SWIFT)
        self._connect()
        self._thread = threading.Thread(target=self._run, name=f"writer {path}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then let go of the file."""
        self.counter.close()
        self._thread.join()
        self._connection.close()

    def _connect(self) -> None:
        self._connection = connect(self._path, writer=True)
        self._appender = Appender(self._connection)
        self._connected = True

    def _run(self) -> None:
        while self._collect():
            with self._turn:
                if callable(self._waiting[0].job):
                    tickets = [self._waiting.popleft()]
                    self._execute(tickets[0])
                else:
                    tickets = self._batch()
                    self._append(tickets)
            answer(tickets)

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

    def _at_once(self, ticket: Ticket[Job]) -> bool:
        """Append in the event loop, if it does not have to wait long for it."""
        if not self._pace.swift or not self.counter.queue.empty():
            return False
        if not self._turn.acquire(blocking=False):
            return False
        try:
            self._append([ticket], patient=False)
        except Busy:
            return False
        finally:
            self._turn.release()
        return True

    def _append(self, tickets: Sequence[Ticket[Job]], *, patient: bool = True) -> None:
        commits: list[Commit] = []
        for ticket in tickets:
            commits += cast("Sequence[Commit]", ticket.job)
        begun = time.perf_counter()
        try:
            if not self._connected:
                self._connect()
            outcomes = self._appender.append(commits, patient=patient)
        except Busy:
            raise
        except _MISTAKES as error:
            self._blame(tickets, ValueError(f"SQLite cannot keep this: {error}"))
            return
        except sqlite3.Error as error:
            self._resolve(tickets, error)
            return
        except Exception as error:
            self._blame(tickets, error)
            return
        if len(commits) == 1:
            self._pace.took(time.perf_counter() - begun)
        self._on_head(self._appender.head)
        done = 0
        for ticket in tickets:
            number = len(cast("Sequence[Commit]", ticket.job))
            ticket.answer = outcomes[done : done + number]
            done += number

    def _blame(self, tickets: Sequence[Ticket[Job]], error: Exception) -> None:
        """One caller's mistake, such as data that is not bytes: nobody else hears of it."""
        if len(tickets) == 1:
            tickets[0].error = error
            return
        for ticket in tickets:
            self._append([ticket])

    def _resolve(self, tickets: Sequence[Ticket[Job]], error: sqlite3.Error) -> None:
        """The transaction failed: learn what became of each commit."""
        absent_is_sure = True
        if self._connection.in_transaction or error.sqlite_errorcode in _NOT_SYNCED:
            # What a failed sync left behind may yet come to life, after a crash.
            self._abandon()
            absent_is_sure = False
        for ticket in tickets:
            commits = cast("Sequence[Commit]", ticket.job)
            found = self._look_up(commits)
            if found is None or not (all(found) or absent_is_sure):
                reason = str(translated(error, self._path))
                ticket.answer = [Unknown(commit.id, reason) for commit in commits]
            elif all(found):
                ticket.answer = found
            else:
                ticket.error = self._explained(error)

    def _look_up(self, commits: Sequence[Commit]) -> list[Appended | None] | None:
        try:
            if not self._connected:
                self._connect()
            return [self._appender.first_outcome(commit.id) for commit in commits]
        except sqlite3.Error:
            self._abandon()
            return None

    def _explained(self, error: sqlite3.Error) -> StoreError:
        failure = translated(error, self._path)
        failure.__cause__ = error
        return failure

    def _abandon(self) -> None:
        """The connection is in no state to go on: the next job gets a new one."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._connected = False

    def _execute(self, ticket: Ticket[Job]) -> None:
        """In a transaction of its own."""
        task = cast("Task", ticket.job)
        try:
            if not self._connected:
                self._connect()
            begin(self._connection)
            ticket.answer = task(self._connection)
            self._connection.execute("commit")
        except Exception as error:
            ticket.error = self._explained(error) if isinstance(error, sqlite3.Error) else error
            roll_back(self._connection)
