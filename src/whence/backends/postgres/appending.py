"""A group of commits as one call of the server's append functions, and its answer as outcomes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

import msgspec

from whence.store import Appended, Commit, EventQuery

MOST_NAMES = 1_000
"""Locks that one call may take. A server has about 6,400 by default, for everybody."""

_ONE = """
select whence.append_one(%b, %b::bigint[], %b::bool[], %b, %b, %b, %b, %b, %b, %b, %b)
"""
_PLAIN = """
select commit, last from whence.append_plain(
    %b, %b::bigint[], %b::bool[], %b::int[], %b::text[], %b::bigint[], %b::int[], %b::text[],
    %b::int[], %b::text[], %b::bigint[], %b::text[], %b::bytea[], %b::text[], %b::bytea[],
    %b::bigint[])
"""
_EACH = """
select outcome, last, versions::text from whence.append_each(
    %b, %b::bigint[], %b::bool[], %b::text[], %t::jsonb[], %t::jsonb[], %b::bigint[], %b::int[],
    %b::int[], %b::int[], %b::text[], %b::text[], %b::bytea[], %b::text[], %b::bytea[],
    %b::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A statement, as for the schema ``whence``, and its parameters."""

    statement: str
    parameters: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Manner:
    """How to take locks."""

    schema: str
    """Stores in one database do not lock each other."""
    patience: str
    """How long to wait for each lock."""
    few: bool = False
    """Rather one lock that keeps everybody out than many."""

    def locks(self, commits: Sequence[Commit]) -> tuple[str, list[int], list[bool]]:
        """As parameters of a call."""
        names = Names(set(), {"all"}) if self.few else names_of(commits)
        alone = {_key(self.schema, name) for name in names.alone}
        keys = sorted(alone.union(_key(self.schema, name) for name in names.shared))
        return self.patience, keys, [key in alone for key in keys]


@dataclass(frozen=True, slots=True)
class Names:
    """What to lock: together with others that do the same, or alone.

    Who writes to a stream has it alone, who looks at it shares it. With types and tags it is the
    other way round: many write events of one type at once, until somebody asks if there are any.
    """

    shared: set[str]
    alone: set[str]


def is_plain(commits: Sequence[Commit]) -> bool:
    """Whether each commit just writes to streams of its own, at versions that it expects."""
    taken: set[str] = set()
    for commit in commits:
        streams = {event.stream for event in commit.events}
        if commit.unless is not None or streams != set(commit.expected):
            return False
        if not taken.isdisjoint(streams):
            return False
        taken |= streams
    return True


def is_one(commits: Sequence[Commit]) -> bool:
    """Whether a group that `is_plain` is a single event."""
    return len(commits) == 1 and len(commits[0].events) == 1


def one_call(commit: Commit, manner: Manner) -> Call:
    """The call for a commit that `is_one`."""
    (event,) = commit.events
    return Call(
        _ONE,
        (
            *manner.locks([commit]),
            *(commit.id, event.stream, commit.expected[event.stream], event.type, event.data),
            *(_array(event.tags) if event.tags else None, event.metadata, event.micros),
        ),
    )


def plain_call(commits: Sequence[Commit], manner: Manner) -> Call:
    """The call for a group that `is_plain`."""
    streams = [
        (number, stream, version)
        for number, commit in enumerate(commits, 1)
        for stream, version in commit.expected.items()
    ]
    numbers: list[int] = []
    ids: list[str] = []
    versions: list[int] = []
    for number, commit in enumerate(commits, 1):
        numbers += [number] * len(commit.events)
        ids += [commit.id] * len(commit.events)
        at = dict(commit.expected)
        for event in commit.events:
            at[event.stream] = version = at[event.stream] + 1
            versions.append(version)
    ordinal, stream, *rest = _columns(commits)
    columns = (list(column) for column in zip(*streams, strict=True))
    return Call(
        _PLAIN,
        (*manner.locks(commits), *columns, numbers, ids, ordinal, stream, versions, *rest),
    )


def each_call(commits: Sequence[Commit], manner: Manner) -> Call:
    """The call for any group."""
    return Call(
        _EACH,
        (
            *manner.locks(commits),
            [commit.id for commit in commits],
            [json.dumps(dict(commit.expected)) for commit in commits],
            [None if commit.unless is None else _items(commit.unless) for commit in commits],
            [commit.after for commit in commits],
            list(accumulate(len(commit.events) for commit in commits)),
            [nth for commit in commits for nth in _places(commit)],
            *_columns(commits),
        ),
    )


def _places(commit: Commit) -> Iterator[int]:
    """The place of each event among those of its stream; 0 without a stream."""
    seen: dict[str, int] = {}
    for event in commit.events:
        seen[event.stream] = nth = seen.get(event.stream, 0) + 1
        yield nth if event.stream else 0


def plain_outcome(commit: Commit, last: int) -> Appended:
    """The outcome of a commit that a plain call stored."""
    versions = dict(commit.expected)
    for event in commit.events:
        versions[event.stream] += 1
    return Appended(last, versions)


def versions_in(text: str) -> dict[str, int]:
    """The versions of streams in an answer."""
    return msgspec.json.decode(text, type=dict[str, int])


def names_of(commits: Sequence[Commit]) -> Names:
    """What a call locks: "all" in any case, so that who locks nothing else can have all alone.

    Locks are few on a server: a call that would need many does that.
    """
    events = [event for commit in commits for event in commit.events]
    streams = {event.stream for event in events} - {""}
    shared = {"all", *(f"type {event.type}" for event in events)}
    shared |= {f"tag {tag}" for event in events for tag in event.tags}
    alone = {f"stream {stream}" for stream in streams}
    for commit in commits:
        shared |= {f"stream {stream}" for stream in commit.expected.keys() - streams}
        for name in _looked_at(commit.unless):
            (shared if name.startswith("stream ") else alone).add(name)
    if len(shared) + len(alone) > MOST_NAMES:
        return Names(set(), {"all"})
    return Names(shared, alone)


@lru_cache(maxsize=10_000)
def _key(schema: str, name: str) -> int:
    """The number of an advisory lock: kind 0x43 in the highest byte, a hash below."""
    hashed = blake2b(f"{schema} {name}".encode(), digest_size=7).digest()
    return 0x43 << 56 | int.from_bytes(hashed)


def _looked_at(query: EventQuery | None) -> list[str]:
    """The names whose writers must wait while the query is asked, until the commit."""
    if query is None:
        return []
    if query.everything:
        return ["all"]
    names: list[str] = []
    for item in query.items:
        if item.tags:
            names.append(f"tag {min(item.tags)}")  # who matches carries every tag
        elif item.stream:
            names.append(f"stream {item.stream}")
        else:
            names += [f"type {word}" for word in item.types] or ["all"]
    return names


def _columns(commits: Sequence[Commit]) -> tuple[list[object], ...]:
    """What both calls say of events: ordinal, stream, type, data, tags, metadata, micros."""
    events = [event for commit in commits for event in commit.events]
    return (
        [ordinal for commit in commits for ordinal in range(len(commit.events))],
        [event.stream for event in events],
        [event.type for event in events],
        [event.data for event in events],
        [_array(event.tags) if event.tags else None for event in events],
        [event.metadata for event in events],
        [event.micros for event in events],
    )


def _array(words: Sequence[str]) -> str:
    """As PostgreSQL writes an array."""
    escaped = [word.replace("\\", "\\\\").replace('"', '\\"') for word in words]
    return '{"' + '","'.join(escaped) + '"}'


def _items(query: EventQuery) -> str:
    """The query as `whence.matches` reads it."""
    if query.everything:
        return "[{}]"
    items: list[dict[str, object]] = []
    for item in query.items:
        named = {"types": sorted(item.types), "tags": sorted(item.tags)}
        found: dict[str, object] = {name: words for name, words in named.items() if words}
        found |= {"stream": item.stream} if item.stream else {}
        found |= {"commit_id": item.commit_id} if item.commit_id else {}
        items.append(found)
    return json.dumps(items)
