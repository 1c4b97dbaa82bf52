"""Reading: from a query to pages of events, each page one statement that an index answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import starmap

from whence.backends.postgres.connecting import Row
from whence.backends.postgres.walking import walks_of
from whence.envelope import Recorded
from whence.store import PAGE_EVENTS, EventQuery, Item, Page

NEWEST = 2**62
"""Beyond every position: for a look at what is stored by now, without a promise about order."""

_BARE = "e.position, e.stream, e.version, e.type, e.data"
_COLUMNS = f"{_BARE}, e.tags, e.metadata, e.micros, e.commit_id, e.ordinal"
_MOST_BYTES = 8_000_000
"""Of payload in a page, about."""
_MOST_WALKS = 500
"""A query that needs more is answered by going through the log and asking the query."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What is still to be read."""

    query: EventQuery
    after: int
    backwards: bool = False
    limit: int | None = None
    common: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many events carry each tag, as far as that was counted."""

    @property
    def stream(self) -> str | None:
        """The stream, if one stream is all that is asked for.

        Its versions never come out of order, so it may be read beyond the watermark.
        """
        if len(self.query.items) != 1:
            return None
        stream = self.query.items[0].stream
        return stream if stream and self.query.items[0] == Item(stream=stream) else None

    @property
    def most(self) -> int:
        """How many events the next page may have."""
        whole = self.limit is None or self._sieved
        return PAGE_EVENTS if whole else min(PAGE_EVENTS, self.limit or PAGE_EVENTS)

    def statement(self, watermark: int) -> tuple[str, list[object]]:
        """The SQL of the next page, and its parameters."""
        if self.stream is not None:
            return self._stream(self.stream)
        low, high = (0 if self.backwards else self.after), watermark
        if self.backwards and self.after:
            high = min(high, self.after - 1)
        if self.query.everything or self._sieved:
            return self._cut("whence.events e", self._range), [low, high, self.most]
        parts: list[str] = []
        values: list[object] = []
        for walk in walks_of(self.query, self.common):
            parts.append(
                f"(select t.position from {walk.table} t where {walk.where}"
                f" and t.position > %b and t.position <= %b"
                f" order by t.position {self._order} limit %b)"
            )
            values += [*walk.values, low, high, self.most]
        found = f"whence.events e join ({' union '.join(parts)}) found using (position)"
        return self._cut(found, "true"), [*values, self.most]

    def page(self, rows: Sequence[Row], watermark: int) -> tuple[Page, bool]:
        """The page that ``rows`` are, and whether it is the last."""
        events = list(starmap(Recorded, rows)) if self._bare else list(map(recorded, rows))
        full = len(events) >= self.most or sum([len(e.data) for e in events]) >= _MOST_BYTES
        last = events[-1].position if events else 0
        if self._sieved:
            events = [event for event in events if self.query.matches(event)]
            if self.limit is not None and len(events) >= self.limit:
                events, full = events[: self.limit], True
                last = events[-1].position
        if full:
            return Page(events, last), len(events) == self.limit
        end = 1 if self.backwards else max(self.after, watermark, last)
        return Page(events, end), True

    def beyond(self, page: Page) -> "Scan":
        """What is still to be read after ``page``."""
        left = None if self.limit is None else self.limit - len(page.events)
        return replace(self, after=page.scanned, limit=left)

    @property
    def _range(self) -> str:
        """What lies between two positions.

        The far end is not left to the index: in a log that was not analysed the planner takes
        little to be between them, and sorts everything that there is for every page.
        """
        if self.backwards:
            return "e.position + 0 > %b and e.position <= %b"
        return "e.position > %b and e.position + 0 <= %b"

    @property
    def _order(self) -> str:
        return "desc" if self.backwards else "asc"

    @property
    def _sieved(self) -> bool:
        return sum([max(1, len(item.types)) for item in self.query.items]) > _MOST_WALKS

    @property
    def _bare(self) -> bool:
        """Whether tags and the like are neither asked for nor needed to choose."""
        return self.query.bare and not self._sieved

    def _stream(self, stream: str) -> tuple[str, list[object]]:
        """By version, which is the order of the positions: the tail of a long stream is cheap."""
        where, values = "e.stream = %b and e.version > 0", list[object]([stream])
        if self.after and self.backwards:
            where += " and e.version <= whence.version_at(%b, %b) and e.position < %b"
            values += [stream, self.after, self.after]
        elif self.after:
            where += " and e.version > whence.version_at(%b, %b)"
            values += [stream, self.after]
        return self._cut("whence.events e", where, "e.version"), [*values, self.most]

    def _cut(self, table: str, where: str, by: str = "e.position") -> str:
        """Rows in order, up to a number of them and about `_MOST_BYTES`."""
        order, columns = f"order by {by} {self._order}", _BARE if self._bare else _COLUMNS
        return (
            f"select {columns} from (select {columns}, sum(octet_length(e.data)) over ({order})"
            f" - octet_length(e.data) as before from {table} where {where} {order} limit %b) e"
            f" where e.before < {_MOST_BYTES} {order}"
        )


def between(stream: str, version: int, most: int) -> tuple[str, list[object]]:
    """The SQL for the first events of ``stream`` after ``version``, and its parameters."""
    return (
        f"select {_COLUMNS} from whence.events e where e.stream = %b and e.version > %b"
        " and e.version > 0 order by e.version limit %b",
        [stream, version, most],
    )


def recorded(row: Row) -> Recorded:
    """A row as an event."""
    position, stream, version, type_, data, tags, metadata, micros, commit_id, ordinal = row
    return Recorded(
        position,
        stream,
        version,
        type_,
        data,
        tuple(tags) if tags else (),
        metadata,
        micros,
        commit_id,
        ordinal,
    )
