"""From queries to pages of events: every page is one statement that an index answers.

Each item of a query becomes walks, each along one index in the order of the positions and
no longer than a page. Their union holds the first page of the whole. A query that needs too
many walks is answered by going through the log in windows and asking `EventQuery.matches`.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import starmap
from typing import cast

import msgspec

from whence.backends.sqlite.statements import SQL
from whence.envelope import Recorded, Stretch
from whence.store import ALL, PAGE_EVENTS, EventQuery, Item, Page

# Whoever mends a payload by hand is likely to write text where bytes belong.
_BARE = "position, stream, version, type, cast(data as blob)"
_COLUMNS = f"{_BARE}, tags, cast(metadata as blob), micros, commit_id, ordinal"
_MOST_WALKS = 60
_MOST_BYTES = 8_000_000
_MOST_OF_A_STREAM = 250
"""Events of one stream in a page for a fold: so few that the event loop may read it itself."""
_NEVER = 2**63 - 1
_OF_STREAM = (
    "origin = (select position from events where stream = ? and version = 1) and version > 0"
)

Row = tuple[int, str, int, str, bytes, str | None, bytes, int, str, int]
_BareRow = tuple[int, str, int, str, bytes]
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
        most = PAGE_EVENTS if self.folded is None else _MOST_OF_A_STREAM
        return most if self.limit is None else min(self.limit, most)

    @property
    def folded(self) -> str | None:
        """The stream that is read from its beginning or from there on, all of it, for a fold."""
        query = self.query
        if self.backwards or not query.bare or len(query.items) != 1:
            return None
        item = query.items[0]
        return None if item.types or item.tags or item.commit_id else item.stream

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


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the log: after ``low``, up to ``high``; the whole ends at ``end``."""

    low: int
    high: int
    end: int
    version: int | None = None
    """Of the only stream that is asked for, at ``low``, if it is known already."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """Along one index: the positions in ``table`` for which ``where`` holds."""

    where: str
    values: Sequence[object]
    table: str = "events"
    by: str = "position"


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
    walks = _walks(connection, scan.query, part)
    if walks is None:
        return _sieved(connection, scan, part)
    events, cut = _found(connection, walks, scan)
    if cut:
        return Page(events, events[-1].position), len(events) == scan.limit
    return Page(events, 1 if scan.backwards else part.high), True


def _found(
    connection: sqlite3.Connection, walks: Sequence[_Walk], scan: Scan
) -> tuple[Sequence[Recorded], bool]:
    """The events of a page, and whether there may be more."""
    if scan.folded and (events := _folded(connection, walks[0], scan.folded, scan.most)):
        return events
    fetch = _fetch_bare if scan.query.bare else _fetch
    return fetch(_select(connection, walks, scan), scan.most)


def _sieved(connection: sqlite3.Connection, scan: Scan, part: "_Part") -> tuple[Page, bool]:
    """A page of the whole log, of which only what matches is kept."""
    log = replace(scan, query=ALL, limit=None)
    events, cut = _fetch(_select(connection, [_everything(part)], log), log.most)
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
        f"select {_COLUMNS} from events where {_OF_STREAM}"
        " and version between ?2 and ?3 and version > ?2 order by version limit ?4",
        (stream, version, _NEVER, most),
    )
    return _fetch(cursor, most)[0]


def recorded(rows: Iterable[Row]) -> list[Recorded]:
    """The events in rows of `_COLUMNS`."""
    return [
        Recorded(p, s, v, t, data, _decode_tags(tags) if tags else (), m, u, c, o)
        for p, s, v, t, data, tags, m, u, c, o in rows
    ]


def _fetch(cursor: sqlite3.Cursor, most: int) -> tuple[list[Recorded], bool]:
    """At most ``most`` events and about `_MOST_BYTES`; and whether that cut it short.

    A cursor that stays open would keep its connection at the log as it is now: it is closed,
    whatever happens.
    """
    rows: list[Row] = []
    keep, size = rows.append, 0
    with closing(cursor):
        for row in cursor:
            keep(row)
            size += len(row[4]) + len(row[5] or "") + len(row[6])
            if size >= _MOST_BYTES:
                break
    return recorded(rows), size >= _MOST_BYTES or len(rows) == most


def _fetch_bare(cursor: sqlite3.Cursor, most: int) -> tuple[list[Recorded], bool]:
    """The same for rows of `_BARE`."""
    rows: list[_BareRow] = []
    keep, size = rows.append, 0
    with closing(cursor):
        for row in cursor:
            keep(row)
            size += len(row[4])
            if size >= _MOST_BYTES:
                break
    return list(starmap(Recorded, rows)), size >= _MOST_BYTES or len(rows) == most


def _folded(
    connection: sqlite3.Connection, walk: _Walk, stream: str, most: int
) -> tuple[Stretch, bool] | None:
    """The same for a stream, of which all is known but the positions, the types and the data.

    Each column takes its time. The versions are dense, so they are counted; None if they turn
    out not to be.
    """
    rows: list[tuple[int, str, bytes]] = []
    keep, size = rows.append, 0
    columns = "position, type, cast(data as blob)"
    with closing(_along(connection, walk, columns, "asc", most)) as cursor:
        for row in cursor:
            keep(row)
            size += len(row[2])
            if size >= _MOST_BYTES:
                break
    first = cast("int", walk.values[1])
    if rows:
        (last,) = connection.execute(SQL["version_at"], (rows[-1][0],)).fetchone()
        if last != first + len(rows) - 1:
            return None
    return Stretch(stream, first, rows), size >= _MOST_BYTES or len(rows) == most


def _along(
    connection: sqlite3.Connection, walk: _Walk, columns: str, order: str, most: int
) -> sqlite3.Cursor:
    return connection.execute(
        f"select {columns} from events where {walk.where} order by {walk.by} {order} limit ?",
        (*walk.values, most),
    )


def _select(connection: sqlite3.Connection, walks: Sequence[_Walk], scan: Scan) -> sqlite3.Cursor:
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


def _part(scan: Scan, end: int) -> _Part:
    if scan.backwards:
        return _Part(0, min(scan.after - 1, end) if scan.after else end, end)
    return _Part(scan.after, end, end, scan.version if len(scan.query.items) == 1 else None)


def _walks(connection: sqlite3.Connection, query: EventQuery, part: _Part) -> list[_Walk] | None:
    """All that together find the query's events in ``part``; None if they are too many."""
    if query.everything:
        return [_everything(part)]
    walks: list[_Walk] = []
    for item in query.items:
        walks += _walks_of(connection, item, part)
        if len(walks) > _MOST_WALKS:
            return None
    return walks


def _everything(part: _Part) -> _Walk:
    return _Walk("position > ? and position <= ?", (part.low, part.high))


def _walks_of(connection: sqlite3.Connection, item: Item, part: _Part) -> Iterator[_Walk]:
    """Along the item's stream, its commit, its rarest tag, or each of its types."""
    if item.stream is not None:
        yield _by_stream(connection, item, item.stream, part)
    elif item.commit_id is not None:
        yield _by_commit(connection, item, item.commit_id, part)
    elif item.tags:
        yield _by_tag(connection, item, part)
    else:
        for kind in sorted(item.types):
            values = kind, part.low, part.high
            yield _Walk("type = ? and position > ? and position <= ?", values)


def _by_stream(connection: sqlite3.Connection, item: Item, stream: str, part: _Part) -> _Walk:
    first = part.version
    if first is None:
        first = _version_at(connection, stream, part.low) if part.low else 0
    last = _version_at(connection, stream, part.high) if part.high < part.end else _NEVER
    rest, values = _rest(item)
    # "between": from "version > 0 and version > ?" SQLite would walk all the way from 0.
    return _Walk(
        f"{_OF_STREAM} and version between ? and ? and +position <= ?{rest}",
        (stream, first + 1, last, part.high, *values),
        by="version",
    )


def _version_at(connection: sqlite3.Connection, stream: str, position: int) -> int:
    """How many events ``stream`` had when the log had reached ``position``.

    Versions are dense and grow with the positions, so the place is found by halving.
    """
    found: tuple[int, int] | None = connection.execute(SQL["newest"], (stream,)).fetchone()
    version, newest = found or (0, 0)
    if newest <= position:
        return version
    there, not_there = 0, version
    while not_there - there > 1:
        middle = (there + not_there) // 2
        (at,) = connection.execute(SQL["version"], (stream, middle)).fetchone()
        there, not_there = (middle, not_there) if at <= position else (there, middle)
    return there


def _by_commit(connection: sqlite3.Connection, item: Item, commit_id: str, part: _Part) -> _Walk:
    """The events of a commit lie side by side, from its first to before the next one's."""
    (first,) = connection.execute(SQL["commit"], (commit_id,)).fetchone() or (_NEVER,)
    (following,) = connection.execute(SQL["following"], (first,)).fetchone() or (_NEVER,)
    rest, values = _rest(item)
    ends = max(part.low, first - 1), min(part.high, following - 1)
    return _Walk(f"position > ? and position <= ?{rest}", (*ends, *values))


def _by_tag(connection: sqlite3.Connection, item: Item, part: _Part) -> _Walk:
    """Along the rarest tag; what else the item wants is looked up for each of its events."""
    rarest, *others = _rarest_first(connection, item.tags)
    rest, values = "", list[object]()
    if others:
        rest += _ALL_TAGS.format(position="tags.position")
        values += (json.dumps(others), len(others))
    if item.types:
        rest += (
            " and exists (select 1 from events where events.position = tags.position"
            " and +type in (select value from json_each(?)))"
        )
        values.append(json.dumps(list(item.types)))
    where = f"tag = ? and position > ? and position <= ?{rest}"
    return _Walk(where, (rarest, part.low, part.high, *values), table="tags")


_ALL_TAGS = (
    " and (select count(*) from json_each(?) wanted cross join tags other"
    " on other.tag = wanted.value and other.position = {position}) = ?"
)


def _rarest_first(connection: sqlite3.Connection, tags: frozenset[str]) -> list[str]:
    """By how many events carry them, counted up to a page."""
    if len(tags) == 1:
        return list(tags)
    counted = connection.execute(SQL["rarest"], (PAGE_EVENTS, json.dumps(list(tags))))
    return [tag for tag, _ in counted]


def _rest(item: Item) -> tuple[str, list[object]]:
    """What a walk by stream or commit still has to check of each event."""
    rest, values = "", list[object]()
    if item.types:
        rest += " and +type in (select value from json_each(?))"
        values.append(json.dumps(list(item.types)))
    if item.tags:
        rest += _ALL_TAGS.format(position="events.position")
        values += (json.dumps(list(item.tags)), len(item.tags))
    if item.commit_id is not None:
        rest += " and +commit_id = ?"
        values.append(item.commit_id)
    return rest, values
