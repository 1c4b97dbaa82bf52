"""The connection that writes: many commits in one transaction."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Sequence

from whence.backends.sqlite import selecting
from whence.backends.sqlite.batch import Batch, first_outcome
from whence.backends.sqlite.file import File, Wal
from whence.backends.sqlite.schema import check_version
from whence.backends.sqlite.statements import SQL
from whence.envelope import Recorded
from whence.store import Appended, Commit, Outcome

_PATIENCE = 10  # seconds, for another process to finish writing
_MOST_VERSIONS = 100_000


Inline = Callable[[sqlite3.Connection, Sequence[Recorded]], None]
"""Writes, in the transaction that stores them, what inline read models make of events.

What it raises of its own refuses them.
"""


class Busy(Exception):
    """It would take a while, as when another process is writing, and the caller would not wait."""


class Appender:
    """Writes, and remembers what it wrote, while nobody else writes."""

    def __init__(self, file: File, inline: Inline | None = None) -> None:
        self._file, self._inline = file, inline
        self._connection = file.connect(writer=True)
        try:
            self.wal = Wal(self._connection, file)
        except BaseException:
            self._connection.close()
            raise
        self._seen = -1  # of other connections' changes
        self._head = 0
        self._versions: dict[str, int] = {}
        self._origins: dict[str, int] = {}

    @property
    def head(self) -> int:
        """Position of the last event, as far as this appender knows."""
        return self._head

    @property
    def stuck(self) -> bool:
        """Whether a transaction could not even be rolled back."""
        return self._connection.in_transaction

    def close(self) -> None:
        """Let go of the file."""
        self.wal.close()
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def append(self, commits: Sequence[Commit], *, patient: bool = True) -> list[Outcome]:
        """Store them in one transaction. What the driver raises is for the caller to explain.

        Unless it is ``patient``, it raises `Busy` rather than wait for others.
        """
        self._begin(patient=patient)
        try:
            return self._transaction(commits, look_up=False)
        except sqlite3.IntegrityError:  # an id was there before; this is rare, so see which
            self._begin(patient=patient)
            return self._transaction(commits, look_up=True)

    def execute(self, task: Callable[[sqlite3.Connection], object]) -> object:
        """Do ``task`` in a transaction of its own."""
        self._begin()
        try:
            answer = task(self._connection)
            self._connection.execute("commit")
        except BaseException:
            self._roll_back()
            raise
        return answer

    def first_outcome(self, commit_id: str) -> Appended | None:
        """What became of ``commit_id`` when it was stored; None if it never was."""
        return first_outcome(self._connection, commit_id)

    def _transaction(self, commits: Sequence[Commit], *, look_up: bool) -> list[Outcome]:
        try:
            self._refresh(commits)
            batch = Batch(self._connection, self._head, self._versions, self._origins)
            outcomes = [batch.judge(commit, look_up=look_up) for commit in commits]
            batch.insert()
            if self._inline is not None and batch.head > self._head:
                self._inline(self._connection, batch.events())
            self._connection.execute("commit")
        except BaseException:
            self._seen = -1
            self._roll_back()
            raise
        self._head = batch.head
        return outcomes

    def _refresh(self, commits: Sequence[Commit]) -> None:
        """Know the head, and of all streams that ``commits`` name where they begin and end."""
        (seen,) = self._connection.execute(SQL["changes"]).fetchone()
        if seen != self._seen:
            check_version(self._connection, self._file.path)  # a later whence may have been here
            self._forget()
            self._head = selecting.head(self._connection)
            self._seen = seen
        elif len(self._versions) > _MOST_VERSIONS:
            self._forget()
        named: set[str] = set()
        for commit in commits:
            named.update(commit.expected)
            for event in commit.events:
                named.add(event.stream)
        unknown = named.difference(self._versions, ("",))
        if unknown:
            values = (json.dumps(list(unknown)),)
            for stream, version, origin in self._connection.execute(SQL["versions"], values):
                self._versions[stream], self._origins[stream] = version, origin

    def _forget(self) -> None:
        self._versions.clear()
        self._origins.clear()

    def _begin(self, *, patient: bool = True) -> None:
        """Take the write lock. Nobody can come between from here to the commit.

        The waiting is done here, so that one who must not wait need not.
        """
        self._file.check()
        self.wal.check()
        until = time.monotonic() + _PATIENCE
        pause = 0.001
        while True:
            try:
                self._connection.execute(SQL["begin"])
                return
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > until:
                    raise
                if not patient:
                    raise Busy from error
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def _roll_back(self) -> None:
        """After a failure. If even this fails, the connection stays in its transaction."""
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("rollback")
