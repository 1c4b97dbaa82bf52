"""Events as they travel: before they are stored, and for ever after.

A store keeps type words, bytes, tags and metadata. It knows no classes.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from time import time_ns
from typing import overload

import msgspec

_random = Random()  # seeded by the system, and of our own: ids differ whatever a test seeds
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970 (UTC) of an aware ``moment``: how times are stored."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC moment of ``micros``."""
    return _EPOCH + timedelta(microseconds=micros)


def new_id() -> str:
    """A new id: 32 hexadecimal digits, the milliseconds first, so that indexes stay local."""
    return f"{time_ns() // 1_000_000:012x}{_random.getrandbits(80):020x}"


def id_of(stream: str) -> str:
    """The id in a stream's name."""
    return stream.partition("-")[2]


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into a store."""

    type: str
    data: bytes
    stream: str = ""
    """The stream it belongs to; empty: to none, it is found by its type and tags alone."""
    tags: tuple[str, ...] = ()
    metadata: bytes = b"{}"
    """A flat JSON object."""
    micros: int = 0
    """When it happened, in microseconds since 1970 (UTC)."""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event as a store keeps it. It never changes again.

    What has a default here may have been left out, if so little was asked for.
    """

    position: int
    """Its place in the whole log: the first is 1 or more, always grows, may skip."""
    stream: str
    version: int
    """Its place in its stream: the first is 1. 0 if it belongs to no stream."""
    type: str
    data: bytes
    tags: tuple[str, ...] = ()
    metadata: bytes = b"{}"
    micros: int = 0
    commit_id: str = ""
    """The commit that it came with."""
    ordinal: int = 0
    """Its place in that commit: the first is 0."""

    @property
    def id(self) -> str:
        """Its identity everywhere, derived from the commit: ``<commit id>.<ordinal>``."""
        return f"{self.commit_id}.{self.ordinal}"

    @property
    def time(self) -> datetime:
        """When it happened, an aware UTC moment."""
        return from_micros(self.micros)

    @property
    def about(self) -> Mapping[str, str]:
        """Its metadata as a mapping: who, by which command, and what caused it."""
        return msgspec.json.decode(self.metadata, type=dict[str, str])


class Stretch(Sequence[Recorded]):
    """Events of one stream, one version after another, as far as a fold looks at them.

    Each becomes a `Recorded` only when somebody asks for it: a fold needs but their `payloads`.
    """

    def __init__(self, stream: str, first: int, rows: Sequence[tuple[int, str, bytes]]) -> None:
        self.rows = rows
        """Of each event the position, the type and the data."""
        self._stream, self._first = stream, first

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Recorded: ...
    @overload
    def __getitem__(self, place: slice) -> list[Recorded]: ...
    def __getitem__(self, place: int | slice) -> Recorded | list[Recorded]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        position, type, data = self.rows[place]
        version = self._first + (place if place >= 0 else len(self) + place)
        return Recorded(position, self._stream, version, type, data)

    def __iter__(self) -> Iterator[Recorded]:
        for version, (position, type, data) in enumerate(self.rows, self._first):
            yield Recorded(position, self._stream, version, type, data)


def payloads(events: Sequence[Recorded]) -> Iterable[tuple[int, str, bytes]]:
    """Of each event the position, the type and the data."""
    if isinstance(events, Stretch):
        return events.rows
    return ((event.position, event.type, event.data) for event in events)
