"""Looking at all that a read model keeps, as it is at one moment."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from whence.envelope import Recorded
from whence.folds import Rows, Skipped, stream_key
from whence.readmodels import ReadModel
from whence.sampling import Takes
from whence.slices import Mark, name_of, slice_of

R = TypeVar("R", bound=ReadModel)


@dataclass(slots=True)
class Survey(Generic[R]):
    """One consistent state of what a read model keeps."""

    marks: Mapping[int, Mark]
    rows: dict[Any, tuple[R, int]] = field(default_factory=dict[Any, "tuple[R, int]"])
    """Rows by key, each with the position of the last event in it."""
    parked: frozenset[tuple[str, int]] = frozenset()
    """Events that wait: keys, or what stands for streams, and positions."""
    skipped: Skipped = frozenset()

    @property
    def position(self) -> int:
        """Where its foremost slice is."""
        return max((mark.position for mark in self.marks.values()), default=0)

    @property
    def even(self) -> bool:
        """Whether every event up to `position` is in the row that it concerns."""
        same = len({mark.position for mark in self.marks.values()}) <= 1
        return same and not self.parked and not self.skipped

    @property
    def left_out(self) -> Skipped:
        """The events that are not in the rows, though they may be of a moment that is."""
        return self.parked | self.skipped

    def holds(self, key: Any, recorded: Recorded) -> bool:
        """Whether an event should be in the row of ``key``."""
        position = recorded.position
        if position > self.marks[slice_of(key, len(self.marks))].position:
            return False
        ways = ((name_of(key), position), (stream_key(recorded), position))
        return not any(way in self.parked or way in self.skipped for way in ways)


Refold = Callable[[Survey[R]], Coroutine[Any, Any, tuple[Rows[R], Mapping[Any, int]]]]
"""Folds the rows that are to be mended up to the checkpoints of a survey; where each ends."""


class Auditable(Protocol[R]):
    """Rows that can be looked at as a whole, and mended."""

    async def count(self) -> int:
        """How many rows there are."""
        ...

    async def survey(self, takes: Takes | None) -> Survey[R]:
        """The rows whose keys are wanted, and what they were made with."""
        ...

    async def survey_of(self, keys: Collection[Any]) -> Survey[R]:
        """The rows of ``keys``, likewise."""
        ...

    async def mend(self, keys: Collection[Any], refold: Refold[R]) -> None:
        """Write what ``refold`` makes of the rows of ``keys``, while nobody else changes them."""
        ...

    async def go_back(self, position: int) -> None:
        """Move checkpoints that are beyond ``position`` back to it."""
        ...


def is_later(now: Survey[Any], before: Survey[Any]) -> bool:
    """Whether nothing was taken back since: then it is enough to fold on."""
    return (
        all(now.marks[n].position >= mark.position for n, mark in before.marks.items())
        and now.parked >= before.parked
        and now.skipped == before.skipped
    )
