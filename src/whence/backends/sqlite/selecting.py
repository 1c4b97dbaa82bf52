"""From queries to pages of events: every page is one statement that an index answers.

Each item of a query becomes walks, each no longer than a page. Their union holds the first page
of the whole. A query that needs too many walks is answered by going through the log in windows
and asking `EventQuery.matches`.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Any, cast

import msgspec

from whence.backends.sqlite.statements import SQL
from whence.backends.sqlite.walking import NEVER, OF_STREAM, Part, Walk, everything, walks_in
from whence.envelope import Recorded
from whence.store import ALL, PAGE_EVENTS, EventQuery, Page

# Whoever mends a payload by hand is likely to write text where bytes belong.
_BARE = "position, stream, version, type, cast(data as blob)"
_COLUMNS = f"{_BARE}, tags, cast(metadata as blob), micros, commit_id, ordinal"
_MOST_BYTES = 8_000_000

Row = tuple[int, str, int, str, bytes, str | None, bytes, int, str, int]
_decode_tags = msgspec.json.Decoder(tuple[str, ...]).decode


@dataclass(frozen=True, slots=True)
class Scan:
    """Where a reader stands: what is left of a `read`."""

    query: EventQuery
    after: int
    backwards: bool = False
    limit: int | None = None
    version: int | None = None
    """Of the event at ``after``, if it is known."""

    @property
    def most(self) -> int:
        """How many events the next page may hold."""
        return PAGE_EVENTS if self.limit is None else min(self.limit, PAGE_EVENTS)

    @property
    def order(self) -> str:
        """In the words of SQL."""
        return "desc" if self.backwards else "asc"

    def page(self, connection: sqlite3.Connection) -> tuple[Page, bool]:
        """See `page`."""
        return page(connection, self)

    def beyond(self, page: Page) -> "Scan":
        """What is left after ``page``."""
        limit = None if self.limit is None else self.limit - len(page.events)
        version = page.events[-1].version if page.events and not self.backwards else None
        return Scan(self.query, page.scanned, self.backwards, limit, version)


def head(connection: sqlite3.Connection) -> int:
    """Position of the last event."""
    found = connection.execute(SQL["head"]).fetchone()[0]
    return cast("int", found or 0)


def page(connection: sqlite3.Connection, scan: Scan) -> tuple[Page, bool]:
    """The next page of ``scan``, and whether it is the last.

    The end of the log is taken before the rows, so that all up to it is sure to be seen.
    """
    part = _part(scan, head(connection))
    if part.low >= part.high:
        return Page((), 1 if scan.backwards else scan.after), True
    walks = walks_in(connection, scan.query, part)
    if walks is None:
        return _sieved(connection, scan, part)
    events, cut = _events(_select(connection, walks, scan), scan.most, scan.query.bare)
    if cut:
        return Page(events, events[-1].position), len(events) == scan.limit
    return Page(events, 1 if scan.backwards else part.high), True


def _sieved(connection: sqlite3.Connection, scan: Scan, part: Part) -> tuple[Page, bool]:
    """A page of the whole log, of which only what matches is kept."""
    log = replace(scan, query=ALL, limit=None)
    events, cut = _events(_select(connection, [everything(part)], log), log.most, bare=False)
    found = [event for event in events if scan.query.matches(event)]
    if len(found) >= scan.most:
        found = found[: scan.most]
        return Page(found, found[-1].position), len(found) == scan.limit
    if cut:
        return Page(found, events[-1].position), False
    return Page(found, 1 if scan.backwards else part.high), True


def first_matches(
    connection: sqlite3.Connection, query: EventQuery, after: int, most: int
) -> list[Recorded]:
    """The oldest events after ``after`` that match: ``most``, or fewer if they are large."""
    scan = Scan(query, after, limit=most)
    matches: list[Recorded] = []
    while True:
        found, finished = page(connection, scan)
        matches += found.events
        size = sum([len(event.data) for event in matches])
        if finished or size > _MOST_BYTES:
            return matches
        scan = scan.beyond(found)


def streams(
    connection: sqlite3.Connection, prefix: str, after: str, limit: int
) -> list[tuple[str, int]]:
    """Streams and their versions, by name."""
    return connection.execute(SQL["streams"], (after, prefix, limit)).fetchall()


def stream_after(
    connection: sqlite3.Connection, stream: str, version: int, most: int
) -> list[Recorded]:
    """The first events of ``stream`` after ``version``: ``most``, or fewer if they are large."""
    cursor = connection.execute(
        f"select {_COLUMNS} from events where {OF_STREAM}"
        " and version between ?2 and ?3 and version > ?2 order by version limit ?4",
        (stream, version, NEVER, most),
    )
    return _events(cursor, most, bare=False)[0]


def recorded(rows: Iterable[Row]) -> list[Recorded]:
    """The events in rows of `_COLUMNS`."""
    return [
        Recorded(p, s, v, t, data, _decode_tags(tags) if tags else (), m, u, c, o)
        for p, s, v, t, data, tags, m, u, c, o in rows
    ]


def fetch(cursor: sqlite3.Cursor, most: int, large: int) -> tuple[list[Any], bool]:
    """At most ``most`` rows and about `_MOST_BYTES`; and whether that cut it short.

    What may be ``large`` is in that column. A cursor that stays open would keep its connection
    at the log as it is now: it is closed, whatever happens.
    """
    rows: list[Any] = []
    keep, size = rows.append, 0
    with closing(cursor):
        for row in cursor:  # in lots it is 2 percent quicker, and each lot may be of huge rows
            keep(row)
            size += len(row[large])
            if size >= _MOST_BYTES:
                return rows, True
    return rows, len(rows) == most


def _fetch_whole(cursor: sqlite3.Cursor, most: int) -> tuple[list[Row], bool]:
    """The same for rows of `_COLUMNS`, of which three may be large."""
    rows: list[Row] = []
    keep, size = rows.append, 0
    with closing(cursor):
        for row in cursor:
            keep(row)
            size += len(row[4]) + len(row[5] or "") + len(row[6])
            if size >= _MOST_BYTES:
                return rows, True
    return rows, len(rows) == most


def _events(cursor: sqlite3.Cursor, most: int, bare: bool) -> tuple[list[Recorded], bool]:
    """The events in rows of `_BARE` or `_COLUMNS`, and whether that is not all."""
    if bare:
        some, cut = fetch(cursor, most, large=4)
        return list(starmap(Recorded, some)), cut
    rows, cut = _fetch_whole(cursor, most)
    return recorded(rows), cut


def _along(
    connection: sqlite3.Connection, walk: Walk, columns: str, order: str, most: int
) -> sqlite3.Cursor:
    return connection.execute(
        f"select {columns} from events where {walk.where} order by {walk.by} {order} limit ?",
        (*walk.values, most),
    )


def _select(connection: sqlite3.Connection, walks: Sequence[Walk], scan: Scan) -> sqlite3.Cursor:
    first, columns = walks[0], _BARE if scan.query.bare else _COLUMNS
    if len(walks) == 1 and first.table == "events":
        return _along(connection, first, columns, scan.order, scan.most)
    union = " union ".join(
        f"select position from (select position from {walk.table} where {walk.where}"
        f" order by {walk.by} {scan.order} limit ?)"
        for walk in walks
    )
    values = [value for walk in walks for value in (*walk.values, scan.most)]
    return connection.execute(
        f"select {columns} from events where position in ({union})"
        f" order by position {scan.order} limit ?",
        (*values, scan.most),
    )


def _part(scan: Scan, end: int) -> Part:
    if scan.backwards:
        return Part(0, min(scan.after - 1, end) if scan.after else end, end)
    return Part(scan.after, end, end, scan.version if len(scan.query.items) == 1 else None)
