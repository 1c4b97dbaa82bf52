"""Slices: how the keys of a projection are spread, so that several processes can share its work.

A key is always in the same slice, in every process and on every version of Python.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zlib import crc32

from whence.leases import Epochs
from whence.readmodels import text_of


def name_of(key: Any) -> str:
    """The text of ``key``: the same for keys that are equal."""
    if type(key) is str:
        return key
    if isinstance(key, Decimal):
        return f"{key.normalize():f}"
    if isinstance(key, datetime):
        return key.astimezone(UTC).isoformat()
    return text_of(key)


def slice_of(key: Any, slices: int) -> int:
    """The number of the slice that ``key`` is in, if there are so many."""
    if slices == 1:
        return 0
    return crc32(name_of(key).encode(errors="surrogatepass")) % slices


class Mark(NamedTuple):
    """How far a slice has come."""

    position: int
    revision: int = 0
    """Raised whenever somebody else than those who follow the log changes what it holds."""


@dataclass(slots=True)
class Share:
    """The slices of one projection that a process leads along the log together."""

    slices: int
    """How many there are in all."""
    marks: dict[int, Mark]
    """Those of this share, each with how far it has come as far as is kept."""
    epochs: Epochs = field(default_factory=dict[int, int])
    """What proves that they are this process's own."""

    @classmethod
    def of(cls, marks: Mapping[int, Mark], epochs: Epochs) -> "Share":
        """The slices that ``epochs`` names, out of all ``marks``."""
        own = {number: marks[number] for number in epochs if number in marks}
        return cls(len(marks), own, {number: epochs[number] for number in own})

    @property
    def position(self) -> int:
        """Where the hindmost of them is; 0 if it is empty."""
        return min((mark.position for mark in self.marks.values()), default=0)

    @property
    def whole(self) -> bool:
        """Whether these are all there are."""
        return len(self.marks) == self.slices

    @property
    def takes_all(self) -> bool:
        """Whether every event after `position` is for them, whatever its key."""
        return self.whole and len(set(self.marks.values())) == 1

    def takes(self, key: Any, position: int) -> bool:
        """Whether an event at ``position`` is for them, as far as the row of ``key`` goes."""
        mark = self.marks.get(slice_of(key, self.slices))
        return mark is not None and mark.position < position

    def taking(self, position: int) -> list[int]:
        """The slices that an event at ``position`` is for, if it may concern any key."""
        return [number for number, mark in self.marks.items() if mark.position < position]

    def behind(self, position: int) -> dict[Mark, list[int]]:
        """Those that are not at ``position`` yet, by where they are."""
        found: dict[Mark, list[int]] = {}
        for number, mark in self.marks.items():
            if mark.position < position:
                found.setdefault(mark, []).append(number)
        return found

    def moved(self, position: int) -> None:
        """They are all at ``position`` now, those that are further ahead excepted."""
        for number, mark in self.marks.items():
            if mark.position < position:
                self.marks[number] = mark._replace(position=position)
