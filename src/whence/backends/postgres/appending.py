"""A group of commits as one call of the server's append functions, and its answer as outcomes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate

import msgspec

from whence.backends.postgres import binary
from whence.envelope import NewEvent
from whence.store import Appended, Commit, EventQuery

MOST_NAMES = 1_000
"""Locks that one call may take. A server has about 6,400 by default, for everybody."""

_KINDS = ("all", "type", "tag", "stream")
"""Of what is locked, in order."""

ONE = "select whence.append_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
_PLAIN = """
select commit, last from whence.append_plain(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
"""
_EACH = """
select outcome, last, versions from whence.append_each(
    $1, $2, $3, $4, $5::text[]::jsonb[], $6::text[]::jsonb[], $7, $8, $9, $10, $11, $12, $13, $14,
    $15, $16)
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A statement, as for the schema ``whence``, and its parameters."""

    statement: str
    parameters: Sequence[binary.Value]


@dataclass(frozen=True, slots=True)
class Manner:
    """How to take locks."""

    schema: str
    """Stores in one database do not lock each other."""
    patience: str
    """How long to wait for each lock."""
    few: bool = False
    """Rather one lock that keeps everybody out than many."""

    def locks(self, commits: Sequence[Commit]) -> tuple[bytes, bytes, bytes]:
        """As parameters of a call."""
        names = Names(set(), {"all"}) if self.few else names_of(commits)
        alone = {_key(self.schema, name) for name in names.alone}
        keys = sorted(alone.union(_key(self.schema, name) for name in names.shared))
        return (
            binary.text(self.patience),
            binary.bigints(keys),
            binary.booleans([key in alone for key in keys]),
        )

    def locks_of_one(self, event: NewEvent) -> tuple[bytes | None, ...]:
        """The same for one event: "all", its type, its tags, its stream; None for nothing."""
        if self.few or len(event.tags) > MOST_NAMES:
            return None, None, None, binary.bigint(_key(self.schema, "all"))
        tags = [_key(self.schema, f"tag {tag}") for tag in event.tags]
        return (
            binary.bigint(_key(self.schema, "all")),
            binary.bigint(_key(self.schema, f"type {event.type}")),
            binary.bigints(sorted(tags)) if tags else None,
            binary.bigint(_key(self.schema, f"stream {event.stream}")),
        )


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
    """Whether a group is a single event, in a stream that must be at a version."""
    if len(commits) > 1 or len(commits[0].events) > 1 or commits[0].unless is not None:
        return False
    return tuple(commits[0].expected) == (commits[0].events[0].stream,)


def one_call(commit: Commit, manner: Manner) -> Call:
    """The call for a commit that `is_one`."""
    (event,) = commit.events
    tags = event.tags
    return Call(
        ONE,
        (
            binary.text(manner.patience),
            *manner.locks_of_one(event),
            binary.text(commit.id),
            binary.text(event.stream),
            binary.bigint(commit.expected[event.stream]),
            binary.text(event.type),
            event.data,
            binary.text(_array(tags)) if tags else None,
            event.metadata,
            binary.bigint(event.micros),
        ),
    )


def plain_call(commits: Sequence[Commit], manner: Manner) -> Call:
    """The call for a group that `is_plain`."""
    streams: list[str] = []
    at: list[int] = []
    writers: list[int] = []
    ids: list[str] = []
    numbers: list[int] = []
    versions: list[int] = []
    for number, commit in enumerate(commits, 1):
        streams += commit.expected.keys()
        at += commit.expected.values()
        writers += [number] * len(commit.expected)
        ids += [commit.id] * len(commit.events)
        numbers += [number] * len(commit.events)
        versions += _versions(commit)
    ordinals, names, *rest = _columns(commits)
    return Call(
        _PLAIN,
        (
            *manner.locks(commits),
            binary.integers(writers),
            binary.texts(streams),
            binary.bigints(at),
            binary.integers(numbers),
            binary.texts(ids),
            ordinals,
            names,
            binary.bigints(versions),
            *rest,
        ),
    )


def each_call(commits: Sequence[Commit], manner: Manner) -> Call:
    """The call for any group."""
    return Call(
        _EACH,
        (
            *manner.locks(commits),
            binary.texts([commit.id for commit in commits]),
            binary.texts([json.dumps(dict(commit.expected)) for commit in commits]),
            binary.texts([_items(commit.unless) for commit in commits]),
            binary.bigints([commit.after for commit in commits]),
            binary.integers(list(accumulate(len(commit.events) for commit in commits))),
            binary.integers([nth for commit in commits for nth in _places(commit)]),
            *_columns(commits),
        ),
    )


def _versions(commit: Commit) -> Iterator[int]:
    """The versions of the events of a commit that expects something of each stream."""
    at = dict(commit.expected)
    for event in commit.events:
        at[event.stream] = version = at[event.stream] + 1
        yield version


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


def versions_in(text: str | bytes) -> dict[str, int]:
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
    """The number of an advisory lock: 0x43 in the highest byte, its kind, and a hash below.

    Locks are taken in the order of their numbers: those of one kind before those of the next.
    """
    kind = _KINDS.index(name.partition(" ")[0])
    hashed = blake2b(f"{schema} {name}".encode(), digest_size=7).digest()
    return 0x43 << 56 | kind << 54 | int.from_bytes(hashed) >> 2


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


def _columns(commits: Sequence[Commit]) -> tuple[bytes, ...]:
    """What both calls say of events: ordinal, stream, type, data, tags, metadata, micros."""
    events = [event for commit in commits for event in commit.events]
    return (
        binary.integers([place for commit in commits for place in range(len(commit.events))]),
        binary.texts([event.stream for event in events]),
        binary.texts([event.type for event in events]),
        binary.byteas([event.data for event in events]),
        binary.texts([_array(event.tags) if event.tags else None for event in events]),
        binary.byteas([event.metadata for event in events]),
        binary.bigints([event.micros for event in events]),
    )


def _array(words: Sequence[str]) -> str:
    """As PostgreSQL writes an array."""
    escaped = [word.replace("\\", "\\\\").replace('"', '\\"') for word in words]
    return '{"' + '","'.join(escaped) + '"}'


def _items(query: EventQuery | None) -> str | None:
    """The query as `whence.any_matches` reads it."""
    if query is None:
        return None
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
