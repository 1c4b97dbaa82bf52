"""Many commits in one transaction, each judged alone before anything is written.

Every call of the driver lets go of the interpreter lock and must win it back, so a batch makes
few calls, however large it is.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Sequence
from functools import cache
from typing import cast

import msgspec

from whence.backends.sqlite import selecting
from whence.backends.sqlite.selecting import Row
from whence.backends.sqlite.statements import SQL
from whence.envelope import Recorded
from whence.errors import Conflict
from whence.store import MOST_CONFLICTING, Appended, Commit, EventQuery, Outcome

_PATIENCE = 10  # seconds, for another process to finish writing
_MOST_VERSIONS = 100_000
_MOST_ROWS = 128  # in one insert; SQLite takes 32,766 values
_encode_tags = msgspec.json.Encoder().encode


class Busy(Exception):
    """Another process is writing, and the caller would not wait."""


class Appender:
    """Writes to a connection and remembers what it wrote, while nobody else writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._seen = -1  # of other connections' changes
        self._head = 0
        self._versions: dict[str, int] = {}

    @property
    def head(self) -> int:
        """Position of the last event, as far as this appender knows."""
        return self._head

    def append(self, commits: Sequence[Commit], *, patient: bool = True) -> list[Outcome]:
        """Store them in one transaction. What the driver raises is for the caller to explain.

        Unless it is ``patient``, it raises `Busy` rather than wait for others.
        """
        begin(self._connection, patient=patient)
        try:
            return self._transaction(commits, look_up=False)
        except sqlite3.IntegrityError:  # an id was there before; this is rare, so see which
            begin(self._connection)
            return self._transaction(commits, look_up=True)

    def first_outcome(self, commit_id: str) -> Appended | None:
        """What became of ``commit_id`` when it was stored; None if it never was."""
        found = self._connection.execute(SQL["commit"], (commit_id,)).fetchone()
        if found is None:
            return None
        versions: dict[str, int] = {}
        position = 0
        for stream, version, at, commit in self._connection.execute(SQL["from"], found):
            if commit != commit_id:
                break
            position = at
            if stream:
                versions[stream] = version
        return Appended(position, versions, duplicate=True)

    def _transaction(self, commits: Sequence[Commit], *, look_up: bool) -> list[Outcome]:
        try:
            self._refresh(commits)
            batch = _Batch(self, self._connection, self._head, self._versions)
            outcomes = [batch.judge(commit, look_up=look_up) for commit in commits]
            batch.insert()
            self._connection.execute("commit")
        except BaseException:
            self._seen = -1
            roll_back(self._connection)
            raise
        self._head = batch.head
        return outcomes

    def _refresh(self, commits: Sequence[Commit]) -> None:
        """Know the head, and the versions of all streams that ``commits`` name."""
        (seen,) = self._connection.execute(SQL["changes"]).fetchone()
        if seen != self._seen:
            self._versions.clear()
            self._head = selecting.head(self._connection)
            self._seen = seen
        elif len(self._versions) > _MOST_VERSIONS:
            self._versions.clear()
        named: set[str] = set()
        for commit in commits:
            named.update(commit.expected)
            for event in commit.events:
                named.add(event.stream)
        unknown = named.difference(self._versions, ("",))
        if unknown:
            values = (json.dumps(list(unknown)),)
            self._versions.update(self._connection.execute(SQL["versions"], values).fetchall())


def begin(connection: sqlite3.Connection, *, patient: bool = True) -> None:
    """Take the write lock. Nobody can come between from here to the commit.

    The waiting is done here, so that one who must not wait need not.
    """
    until = time.monotonic() + _PATIENCE
    pause = 0.001
    while True:
        try:
            connection.execute(SQL["begin"])
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            if not patient:
                raise Busy from error
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def roll_back(connection: sqlite3.Connection) -> None:
    """After a failure. If even this fails, the connection stays in its transaction."""
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("rollback")


class _Batch:
    """The commits of one transaction: later ones see earlier ones."""

    def __init__(
        self,
        appender: Appender,
        connection: sqlite3.Connection,
        head: int,
        versions: dict[str, int],
    ) -> None:
        self.head = head
        self._appender = appender
        self._connection = connection
        self._base = head
        self._versions = versions
        self._stored: dict[str, Appended] = {}
        self._values: list[object] = []  # the columns of one row after another
        self._planned: list[Recorded] = []  # the rows as events, made when somebody asks
        self._tags: list[object] = []

    def judge(self, commit: Commit, *, look_up: bool) -> Outcome:
        """Plan ``commit``, or say why not."""
        if first := self._stored.get(commit.id):
            return Appended(first.position, first.versions, duplicate=True)
        if look_up and (earlier := self._appender.first_outcome(commit.id)):
            return earlier
        conflict = None
        versions = self._versions
        for stream, version in commit.expected.items():
            if versions[stream] != version:
                conflict = self._moved(commit)
                break
        if conflict is None and commit.unless is not None:
            conflict = self._matched(commit.unless, commit.after)
        if conflict is None:
            return self._plan(commit)
        return self._appender.first_outcome(commit.id) or conflict

    def insert(self) -> None:
        """Write all that was planned."""
        _insert(self._connection, _INTO_EVENTS, 10, self._values)
        _insert(self._connection, _INTO_TAGS, 2, self._tags)

    def _plan(self, commit: Commit) -> Appended:
        written: dict[str, int] = {}
        position, versions = self.head, self._versions
        for ordinal, event in enumerate(commit.events):
            position += 1
            stream, version, tags = event.stream, 0, None
            if stream:
                written[stream] = versions[stream] = version = versions[stream] + 1
            if event.tags:
                tags = _encode_tags(event.tags).decode()
                for tag in event.tags:
                    self._tags += (tag, position)
            self._values += (
                position, stream, version, event.type, event.data, tags,
                event.metadata, event.micros, commit.id, ordinal,
            )  # fmt: skip
        self.head = position
        self._stored[commit.id] = appended = Appended(position, written)
        return appended

    def _moved(self, commit: Commit) -> Conflict:
        """The conflict with all streams that are not where ``commit`` expects them."""
        moved = {s: self._versions[s] for s in commit.expected}
        moved = {s: version for s, version in moved.items() if version != commit.expected[s]}
        expected = {stream: commit.expected[stream] for stream in moved}
        events: list[Recorded] = []
        for stream, seen in expected.items():
            events += selecting.stream_after(self._connection, stream, seen, MOST_CONFLICTING)
            events += [e for e in self._plans() if e.stream == stream and e.version > seen]
        events.sort(key=lambda event: event.position)
        return Conflict(expected, moved, events[:MOST_CONFLICTING])

    def _matched(self, query: EventQuery, after: int) -> Conflict | None:
        """The conflict with what matches ``query`` after ``after``, if anything does."""
        found: list[Recorded] = []
        if after < self._base:
            found = selecting.first_matches(self._connection, query, after, MOST_CONFLICTING)
        if len(found) < MOST_CONFLICTING:
            found += [e for e in self._plans() if e.position > after and query.matches(e)]
        return Conflict({}, {}, found[:MOST_CONFLICTING]) if found else None

    def _plans(self) -> list[Recorded]:
        new = range(10 * len(self._planned), len(self._values), 10)
        rows = cast("list[Row]", [self._values[start : start + 10] for start in new])
        self._planned += selecting.recorded(rows)
        return self._planned


_INTO_EVENTS = (
    "insert into events"
    " (position, stream, version, type, data, tags, metadata, micros, commit_id, ordinal)"
)
_INTO_TAGS = "insert or ignore into tags (tag, position)"


def _insert(
    connection: sqlite3.Connection, into: str, width: int, values: Sequence[object]
) -> None:
    """In statements of a few sizes, so that each is prepared once."""
    done = 0
    while left := len(values) // width - done:
        size = min(_MOST_ROWS, 1 << (left.bit_length() - 1))
        piece = (
            values if size == left and not done else values[done * width : (done + size) * width]
        )
        connection.execute(_statement(into, width, size), piece)
        done += size


@cache
def _statement(into: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{into} values {', '.join([row] * rows)}"
