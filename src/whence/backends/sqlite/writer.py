"""The one connection that writes: whatever waits goes into one transaction.

A thread does the work. Only the little that comes in one turn of an event loop, while nothing else
is being written and the disk is swift, is written in the event loop itself: two changes of threads
would take about as long as the disk does.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import cast

from whence.backends.sqlite.appending import Appender, Busy, Inline
from whence.backends.sqlite.failures import MISTAKES, explained, translated
from whence.backends.sqlite.file import File
from whence.backends.sqlite.threads import Counter, Pace, Ticket, answer
from whence.errors import StoreError, StoreFull, Unknown
from whence.store import Appended, Commit

_MOST_COMMITS = 1_000
_MOST_BYTES = 16_000_000
_SWIFT = 0.002
"""Seconds. The event loop does not wait for a disk that takes longer on average."""
_FEW, _LIGHT = 10, 100_000
"""Events, and bytes. No event loop waits while more than this is written at once."""
_LEFT_BEHIND = (
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_WRITE,
)
"""After these, what was not stored may yet come to life, if the machine falls."""

Task = Callable[[sqlite3.Connection], object]
Job = Sequence[Commit] | Task


class Writer:
    """Owns the writing connection. ``on_head`` is told each new head, right after a commit."""

    def __init__(
        self, file: File, on_head: Callable[[int], None], inline: Inline | None = None
    ) -> None:
        self.counter: Counter[Job] = Counter(str(file.path), self._at_once)
        self._file, self._inline = file, inline
        self._on_head = on_head
        self._waiting: deque[Ticket[Job]] = deque()
        self._turn = threading.Lock()  # held by whoever uses the connection
        self._pace = Pace(_SWIFT)
        self._appender: Appender | None = Appender(file, inline)  # None: it has to be made anew
        self._thread = threading.Thread(target=self._run, name=f"writer {file.path}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish what waits, then let go of the file."""
        self.counter.close()
        self._thread.join()
        with self._turn:
            self._abandon()

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
            with self._turn:
                if self._appender is not None and self._appender.wal.long:
                    self._appender.wal.cut()

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
            size += batch[-1].size
        return batch

    def _at_once(self, tickets: Sequence[Ticket[Job]]) -> int:
        """Append in the event loop, if it does not have to wait long for it."""
        if not (self._pace.swift and self.counter.queue.empty() and _is_little(tickets)):
            return 0
        if not self._turn.acquire(blocking=False):
            return 0
        try:
            if self.counter.closed or (self._appender and self._appender.wal.long):
                return 0
            self._append(tickets, patient=False)
        except Busy:
            return 0
        finally:
            self._turn.release()
        return len(tickets)

    def _append(self, tickets: Sequence[Ticket[Job]], *, patient: bool = True) -> None:
        begun = time.perf_counter()
        try:
            commits: list[Commit] = []
            for ticket in tickets:
                commits += cast("Sequence[Commit]", ticket.job)
            appender = self._connected()
            outcomes = appender.append(commits, patient=patient)
        except Busy:
            raise
        except Exception as error:
            self._failed(tickets, error, patient=patient)
            return
        if _is_little(tickets):
            self._pace.took(time.perf_counter() - begun)
        self._on_head(appender.head)
        done = 0
        for ticket in tickets:
            number = len(cast("Sequence[Commit]", ticket.job))
            ticket.answer = outcomes[done : done + number]
            done += number

    def _failed(self, tickets: Sequence[Ticket[Job]], error: Exception, *, patient: bool) -> None:
        """Tell each caller what became of his commits."""
        mistake = isinstance(error, MISTAKES) or not isinstance(error, sqlite3.Error | StoreError)
        if mistake and len(tickets) > 1:  # nobody but the one who made it hears of it
            if not patient:  # a transaction for each: no event loop may wait for that
                raise Busy from error
            for ticket in tickets:
                self._append([ticket])
        elif isinstance(error, sqlite3.Error) and not mistake and self._appender is not None:
            self._resolve(tickets, error)
        else:
            for ticket in tickets:
                ticket.error = explained(error, self._file.path)

    def _resolve(self, tickets: Sequence[Ticket[Job]], error: sqlite3.Error) -> None:
        """The transaction failed: learn what became of each commit."""
        failure = translated(error, self._file.path)
        sure = self._surely_absent(error, failure)
        if not sure:
            self._abandon()
        for ticket in tickets:
            commits = cast("Sequence[Commit]", ticket.job)
            found = self._look_up(commits)
            if sure and found is not None and None in found:
                ticket.error = explained(error, self._file.path)
            else:
                ticket.answer = [
                    outcome or Unknown(commit.id, str(failure))
                    for commit, outcome in zip_longest(commits, found or ())
                ]

    def _surely_absent(self, error: sqlite3.Error, failure: StoreError) -> bool:
        """Whether what cannot be found now will never be."""
        if self._appender is None or self._appender.stuck:
            return False
        code = getattr(error, "sqlite_errorcode", None)
        return code not in _LEFT_BEHIND or isinstance(failure, StoreFull)

    def _look_up(self, commits: Sequence[Commit]) -> list[Appended | None] | None:
        try:
            appender = self._connected()
            return [appender.first_outcome(commit.id) for commit in commits]
        except (sqlite3.Error, StoreError):
            self._abandon()
            return None

    def _connected(self) -> Appender:
        if self._appender is None:
            self._appender = Appender(self._file, self._inline)
        return self._appender

    def _abandon(self) -> None:
        """The connection is in no state to go on: the next job gets a new one."""
        if self._appender is not None:
            self._appender.close()
            self._appender = None

    def _execute(self, ticket: Ticket[Job]) -> None:
        try:
            ticket.answer = self._connected().execute(cast("Task", ticket.job))
        except Exception as error:
            ticket.error = explained(error, self._file.path)
            if self._appender is not None and self._appender.stuck:
                self._abandon()


def _is_little(tickets: Sequence[Ticket[Job]]) -> bool:
    """Whether an event loop may wait until all of ``tickets`` are written."""
    events = size = 0
    for ticket in tickets:
        if callable(ticket.job):
            return False
        events += sum([len(commit.events) for commit in ticket.job])
        size += ticket.size
        if events > _FEW or size > _LIGHT:
            return False
    return True
