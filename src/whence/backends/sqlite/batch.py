"""The commits of one transaction, each judged alone before anything is written.

Every call of the driver lets go of the interpreter lock and must win it back, so a batch makes
few calls, however large it is.
"""

import sqlite3
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

_MOST_ROWS = 128  # in one insert; SQLite takes 32,766 values
_WIDTH = 11  # columns: those of a `Row`, and the origin
_encode_tags = msgspec.json.Encoder().encode


def first_outcome(connection: sqlite3.Connection, commit_id: str) -> Appended | None:
    """What became of ``commit_id`` when it was stored; None if it never was."""
    found = connection.execute(SQL["commit"], (commit_id,)).fetchone()
    if found is None:
        return None
    versions: dict[str, int] = {}
    position = 0
    for stream, version, at, commit in connection.execute(SQL["from"], found):
        if commit != commit_id:
            break
        position = at
        if stream:
            versions[stream] = version
    return Appended(position, versions, duplicate=True)


class Batch:
    """The commits of one transaction: later ones see earlier ones."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        head: int,
        versions: dict[str, int],
        origins: dict[str, int],
    ) -> None:
        self.head = head
        self._connection = connection
        self._base = head
        self._versions = versions
        self._origins = origins
        self._stored: dict[str, Appended] = {}
        self._values: list[object] = []  # the columns of one row after another
        self._planned: list[Recorded] = []  # the rows as events, made when somebody asks
        self._tags: list[object] = []

    def judge(self, commit: Commit, *, look_up: bool) -> Outcome:
        """Plan ``commit``, or say why not."""
        if first := self._stored.get(commit.id):
            return Appended(first.position, first.versions, duplicate=True)
        if look_up and (earlier := first_outcome(self._connection, commit.id)):
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
        return first_outcome(self._connection, commit.id) or conflict

    def insert(self) -> None:
        """Write all that was planned."""
        _insert(self._connection, _INTO_EVENTS, _WIDTH, self._values)
        _insert(self._connection, _INTO_TAGS, 2, self._tags)

    def events(self) -> Sequence[Recorded]:
        """All that was planned."""
        return self._plans()

    def _plan(self, commit: Commit) -> Appended:
        written: dict[str, int] = {}
        position, versions, origins = self.head, self._versions, self._origins
        for ordinal, event in enumerate(commit.events):
            position += 1
            stream, version, origin, tags = event.stream, 0, 0, None
            if stream:
                written[stream] = versions[stream] = version = versions[stream] + 1
                if version == 1:
                    origins[stream] = position
                origin = origins[stream]
            if event.tags:
                tags = _encode_tags(event.tags).decode()
                for tag in event.tags:
                    self._tags += (tag, position)
            self._values += (
                position, stream, version, event.type, event.data, tags,
                event.metadata, event.micros, commit.id, ordinal, origin,
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
        new = range(_WIDTH * len(self._planned), len(self._values), _WIDTH)
        rows = cast("list[Row]", [self._values[start : start + _WIDTH - 1] for start in new])
        self._planned += selecting.recorded(rows)
        return self._planned


# "or rollback": a failure ends the transaction anyway, and without this SQLite would first copy
# each page that the statement changes, to be able to undo the statement alone.
_INTO_EVENTS = (
    "insert or rollback into events"
    " (position, stream, version, type, data, tags, metadata, micros, commit_id, ordinal, origin)"
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
