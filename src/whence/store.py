"""What every event store promises.

`whence.testing.conformance` says the same in tests: a backend is right when they pass.

Numbers. A stream's *version* is the number of events in it, so 0 means "not there yet".
A *position* is a place in the whole log: it starts at 1 or more, always grows, may skip.

Order. No event ever becomes visible behind a reader: whoever has read up to position p
has read everything at or before p, for ever.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Protocol

import msgspec

from whence.envelope import NewEvent, Recorded, to_micros
from whence.errors import Conflict, Unknown

PAGE_EVENTS = 1_000
"""A page holds no more events than this."""
MOST_CONFLICTING = 100
"""A `Conflict` lists no more events than this: the oldest of them."""
MOST_CHARACTERS = 500
"""No stream, type, tag or commit id is longer than this."""
LAST_POSITION = 2**63 - 1
"""No position and no version is greater: it is what databases count up to."""

_NOTHING: Mapping[str, int] = MappingProxyType({})
_EARLIEST = to_micros(datetime.min.replace(tzinfo=UTC))
_LATEST = to_micros(datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Item:
    """One way for an event to match: any of ``types``, all of ``tags``, in ``stream``,
    from ``commit_id``. What is left out does not matter, but something must be given.
    Raises ValueError for names that no event can have.
    """

    types: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    stream: str | None = None
    commit_id: str | None = None

    def __post_init__(self) -> None:
        if not (self.types or self.tags or self.stream or self.commit_id):
            raise ValueError("an empty item would match everything: say ALL if you mean it")
        names = [*self.types, *self.tags]
        names += [name for name in (self.stream, self.commit_id) if name is not None]
        check_names(names)

    def matches(self, event: Recorded) -> bool:
        """Whether ``event`` is one of these."""
        return (
            (not self.types or event.type in self.types)
            and self.tags.issubset(event.tags)
            and (self.stream is None or event.stream == self.stream)
            and (self.commit_id is None or event.commit_id == self.commit_id)
        )


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events: those that match any of the ``items``, or all (`ALL`)."""

    items: tuple[Item, ...]
    everything: bool = False
    bare: bool = False
    """A store may leave out what a fold does not look at. See `bare`."""

    def __post_init__(self) -> None:
        if self.everything == bool(self.items):
            raise ValueError("a query needs at least one item: say ALL if you mean every event")

    def matches(self, event: Recorded) -> bool:
        """Whether ``event`` is one of these."""
        return self.everything or any(item.matches(event) for item in self.items)


ALL = EventQuery((), everything=True)
"""Every event there is."""


def matching(types: Iterable[str] = (), tags: Iterable[str] = ()) -> EventQuery:
    """Events of any of ``types`` that carry all of ``tags``. Raises ValueError for neither."""
    return EventQuery((Item(frozenset(types), frozenset(tags)),))


def in_stream(stream: str) -> EventQuery:
    """The events of one stream, in the order of their versions."""
    return EventQuery((Item(stream=stream),))


def of_commit(commit_id: str) -> EventQuery:
    """The events that one commit stored: how an unknown outcome is resolved."""
    return EventQuery((Item(commit_id=commit_id),))


def bare(query: EventQuery) -> EventQuery:
    """The same events, as far as a fold looks at them: type, data, stream, version, position.

    A store may leave out their tags, metadata, time and commit, since fetching these takes about
    as long as all the rest.
    """
    return EventQuery(query.items, query.everything, bare=True)


def any_of(*queries: EventQuery) -> EventQuery:
    """Events that match at least one of ``queries``."""
    if any(query.everything for query in queries):
        return ALL
    items = dict.fromkeys(item for query in queries for item in query.items)
    return EventQuery(tuple(items))


class Commit(msgspec.Struct, frozen=True, gc=False):
    """Events to be stored together, all or none, under a condition.

    ``expected`` says at which version each named stream must be; naming a stream that no
    event goes to only checks it. Streams that are not named are appended to as they are.
    ``unless`` names events that must not exist after the position ``after``.
    The condition is judged on the log before this commit.
    Raises ValueError for names, numbers and data that not every database could keep.
    """

    id: str
    """Chosen by the writer. Appending the same id again returns the first outcome."""
    events: Sequence[NewEvent]
    expected: Mapping[str, int] = _NOTHING
    unless: EventQuery | None = None
    after: int = 0

    def __post_init__(self) -> None:
        if not self.events:
            raise ValueError("a commit holds at least one event")
        if "" in self.expected:
            raise ValueError("events without a stream have no version to expect")
        check_numbers(self.after, *self.expected.values())
        names = [self.id, *self.expected]
        for event in self.events:
            if not _EARLIEST <= event.micros <= _LATEST:
                raise ValueError(f"no date has {event.micros} microseconds since 1970")
            if type(event.data) is not bytes or type(event.metadata) is not bytes:
                raise ValueError(f"the data and the metadata of {event.type!r} are not bytes")
            names += (event.type, *event.tags)
            if event.stream:
                names.append(event.stream)
        check_names(names)


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError for what some database could not keep or find again."""
    everything = "".join(names)
    try:
        everything.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            "a stream, type, tag or commit id may not hold half a character"
            " (surrogates not allowed)"
        ) from error
    if "" in names:
        raise ValueError(
            "a commit needs an id, an event a type, a tag or a stream at least one character"
        )
    if "\0" in everything:
        raise ValueError("a stream, type, tag or commit id may not hold a NUL character")
    if len(everything) > MOST_CHARACTERS and max(map(len, names)) > MOST_CHARACTERS:
        raise ValueError(
            f"a stream, type, tag or commit id has at most {MOST_CHARACTERS} characters"
        )


def check_numbers(*numbers: int) -> None:
    """Raise ValueError for what is no version and no position."""
    for number in numbers:
        if not 0 <= number <= LAST_POSITION:
            raise ValueError(f"{number} is no version or position: those go from 0 to 2**63 - 1")


def check_read(after: int, limit: int | None) -> None:
    """Raise ValueError for what cannot be read. Every backend asks this first."""
    check_numbers(after)
    if limit is not None and limit < 1:
        raise ValueError("a limit is at least 1")


class Appended(msgspec.Struct, frozen=True, gc=False):
    """The commit is stored and durable."""

    position: int
    """Of its last event."""
    versions: Mapping[str, int]
    """Of each stream that it wrote to, as it was right after this commit."""
    duplicate: bool = False
    """This id had been stored before; nothing was stored now."""


Outcome = Appended | Conflict | Unknown
"""What became of a commit. The two errors are returned, not raised: each commit has its own."""


class Page(msgspec.Struct, frozen=True):
    """A piece of the log."""

    events: Sequence[Recorded]
    scanned: int
    """The reader has now seen all there is up to here (backwards: down to here).
    A checkpoint may claim this much and no more."""


class EventStore(Protocol):
    """An append-only log of events in streams, under one total order."""

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        """Store ``commits`` in turn; each is all or nothing and has its own outcome.

        Durable before it returns. Raises `StoreError` if the store failed and surely stored
        none of the commits that have no outcome.
        """
        ...

    def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        """Pages of the events that match, to the end of the log as it is when the end is reached.

        Oldest first, from the first event after the position ``after``. ``backwards``: newest
        first, from the last event before ``after`` (0: from the end of the log). At most
        ``limit`` events in all, which is 1 or more. The last page says how far the log was
        scanned, even if it holds no event; to go on later, pass its ``scanned`` as ``after``.
        Raises ValueError for numbers that mean nothing (`check_read`).
        """
        ...

    async def head(self) -> int:
        """Position of the last event; 0 if there is none."""
        ...

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be events after ``after``, at the latest in ``timeout`` seconds.

        A hint, never the truth.
        """
        ...
