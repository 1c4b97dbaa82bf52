"""Walks: each goes along one index in the order of positions, together they find a query."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whence.backends.sqlite.statements import SQL
from whence.store import PAGE_EVENTS, EventQuery, Item

_MOST_WALKS = 60
"""A query that needs more is answered by going through the log."""
NEVER = 2**63 - 1
"""A position or version that no event has."""
OF_STREAM = (
    "origin = (select position from events where stream = ? and version = 1) and version > 0"
)
"""Holds for the events of a stream, which is known by where it begins."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the log: after ``low``, up to ``high``; the whole ends at ``end``."""

    low: int
    high: int
    end: int
    version: int | None = None
    """Of the only stream that is asked for, at ``low``, if it is known already."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Along one index: the positions in ``table`` for which ``where`` holds."""

    where: str
    values: Sequence[object]
    table: str = "events"
    by: str = "position"


def walks_in(connection: sqlite3.Connection, query: EventQuery, part: Part) -> list[Walk] | None:
    """All that together find the query's events in ``part``; None if they are too many."""
    if query.everything:
        return [everything(part)]
    walks: list[Walk] = []
    for item in query.items:
        walks += _walks_of(connection, item, part)
        if len(walks) > _MOST_WALKS:
            return None
    return walks


def everything(part: Part) -> Walk:
    """Along the log itself."""
    return Walk("position > ? and position <= ?", (part.low, part.high))


def _walks_of(connection: sqlite3.Connection, item: Item, part: Part) -> Iterator[Walk]:
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
            yield Walk("type = ? and position > ? and position <= ?", values)


def _by_stream(connection: sqlite3.Connection, item: Item, stream: str, part: Part) -> Walk:
    first = part.version
    if first is None:
        first = version_at(connection, stream, part.low) if part.low else 0
    last = version_at(connection, stream, part.high) if part.high < part.end else NEVER
    rest, values = _rest(item)
    # "between": from "version > 0 and version > ?" SQLite would walk all the way from 0.
    return Walk(
        f"{OF_STREAM} and version between ? and ? and +position <= ?{rest}",
        (stream, first + 1, last, part.high, *values),
        by="version",
    )


def version_at(connection: sqlite3.Connection, stream: str, position: int) -> int:
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


def _by_commit(connection: sqlite3.Connection, item: Item, commit_id: str, part: Part) -> Walk:
    """The events of a commit lie side by side, from its first to before the next one's."""
    (first,) = connection.execute(SQL["commit"], (commit_id,)).fetchone() or (NEVER,)
    (following,) = connection.execute(SQL["following"], (first,)).fetchone() or (NEVER,)
    rest, values = _rest(item)
    ends = max(part.low, first - 1), min(part.high, following - 1)
    return Walk(f"position > ? and position <= ?{rest}", (*ends, *values))


def _by_tag(connection: sqlite3.Connection, item: Item, part: Part) -> Walk:
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
    return Walk(where, (rarest, part.low, part.high, *values), table="tags")


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
