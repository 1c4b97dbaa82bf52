"""A stream as a fold reads it: page by page, each a `Stretch` of the columns that a fold needs.

Each column takes its time, and so does each statement: whoever loads an aggregate waits for this.
"""

import sqlite3
from dataclasses import dataclass, replace

from whence.backends.sqlite import selecting
from whence.backends.sqlite.selecting import Scan, fetch, head
from whence.backends.sqlite.statements import SQL
from whence.backends.sqlite.walking import version_at
from whence.envelope import Stretch
from whence.store import EventQuery, Page

_MOST = 500
"""Events in a page: so few that the event loop may read it itself."""

_Row = tuple[int, str, bytes]


def scan_of(
    query: EventQuery, after: int, backwards: bool, limit: int | None
) -> "Scan | StreamScan":
    """What reads ``query`` best."""
    if query.bare and not backwards and len(query.items) == 1:
        item = query.items[0]
        if item.stream is not None and not (item.types or item.tags or item.commit_id):
            return StreamScan(query, item.stream, after, limit)
    return Scan(query, after, backwards, limit)


@dataclass(frozen=True, slots=True)
class StreamScan:
    """Where a fold stands that reads all of a stream, or what comes after a position."""

    query: EventQuery
    stream: str
    after: int
    limit: int | None = None
    version: int | None = None
    """Of the event at ``after``, if it is known."""

    def page(self, connection: sqlite3.Connection) -> tuple[Page, bool]:
        """The next page, and whether it is the last. Call it in a transaction."""
        end = head(connection)
        if self.after >= end:
            return Page((), self.after), True
        before = self.version
        if before is None:
            before = version_at(connection, self.stream, self.after) if self.after else 0
        most = _MOST if self.limit is None else min(self.limit, _MOST)
        cursor = connection.execute(SQL["stretch"], (self.stream, before + 1, most))
        rows, cut = fetch(cursor, most, large=2)
        if rows and _version(connection, rows[-1]) != before + len(rows):
            return self._page_with_versions(connection)
        events = Stretch(self.stream, before + 1, rows)
        if cut:
            return Page(events, rows[-1][0]), len(rows) == self.limit
        return Page(events, end), True

    def beyond(self, page: Page) -> "StreamScan":
        """What is left after ``page``."""
        limit = None if self.limit is None else self.limit - len(page.events)
        return replace(self, after=page.scanned, limit=limit, version=page.events[-1].version)

    def _page_with_versions(self, connection: sqlite3.Connection) -> tuple[Page, bool]:
        """Somebody has deleted events by hand: the versions cannot be counted."""
        return selecting.page(connection, Scan(self.query, self.after, limit=self.limit))


def _version(connection: sqlite3.Connection, row: _Row) -> int:
    found: tuple[int] = connection.execute(SQL["version_at"], (row[0],)).fetchone()
    return found[0]
