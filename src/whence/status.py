"""Where a projection is: what is kept about it, and what that means."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

State = Literal["new", "catching up", "live", "paused", "failed", "rebuilding", "retired"]
Wanted = Literal["running", "paused", "retired"]
"""What people want of a projection."""
Trend = Literal["grows", "shrinks", "steady"]

_WINDOW = 10.0
"""Seconds of the past that a pace is measured over."""
_STEP = 0.1
"""Seconds between two measurements, at least."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept about a subscriber, beside what it makes of the events."""

    positions: Mapping[int, int]
    """How far each slice has come."""
    shape: str
    """Of the code that made what is there."""
    generation: int
    """How often it was made."""
    wanted: Wanted = "running"
    problem: str | None = None
    """Why it stands still, if it does."""
    target: int = 0
    """It is being made anew in place until it has come this far again."""
    building: int | None = None
    """How far what is built beside it has come; None: nothing is."""
    previous: bool = False
    """Whether the generation before is still there, so that one can go back."""
    parked: int = 0
    """How many keys are parked."""

    @property
    def position(self) -> int:
        """How far all of it has come."""
        return min(self.positions.values(), default=0)

    @property
    def furthest(self) -> int:
        """How far some of it has come: no further than the log, unless that was replaced."""
        return max(self.positions.values(), default=0)


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that works on slices of a projection."""

    worker: str
    slices: Sequence[int]
    seconds: float
    """Until others take over, if it is not heard of."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where a projection is."""

    name: str
    state: State
    position: int
    head: int
    rate: float = 0.0
    """Events per second, in the last seconds."""
    error: str | None = None
    """Why it stands still, if it does."""
    seconds: float = 0.0
    """Age of the oldest event that is not handled: how far it is behind in time."""
    trend: Trend = "steady"
    """Of the lag."""
    left: float | None = None
    """Seconds until it has caught up, at this rate; None: it will not."""
    parked: int = 0
    """How many keys are parked, since an event of theirs could not be handled."""
    generation: int = 0
    """How often it was made anew."""
    building: int | None = None
    """How far a rebuild beside it has come; None: there is none."""
    previous: bool = False
    """Whether one can go back to the generation before."""
    owners: Sequence[Owner] = field(default_factory=tuple[Owner, ...])

    @property
    def lag(self) -> int:
        """How many positions it is behind."""
        return max(self.head - self.position, 0)


class Pace:
    """How fast a projection comes nearer to the head, from what was seen in the last seconds."""

    def __init__(self) -> None:
        self._seen = deque[tuple[float, int, int]]()

    def see(self, position: int, head: int) -> None:
        """It is at ``position`` now, and the log ends at ``head``."""
        now = monotonic()
        if self._seen and position < self._seen[-1][1]:
            self._seen.clear()  # it was made anew
        while self._seen and self._seen[0][0] < now - _WINDOW:
            self._seen.popleft()
        if len(self._seen) > 1 and now - self._seen[-2][0] < _STEP:
            self._seen.pop()
        self._seen.append((now, position, head))

    @property
    def rate(self) -> float:
        """Positions per second."""
        return self._per_second(1)

    @property
    def trend(self) -> Trend:
        """Of the lag."""
        if not self._seen:
            return "steady"
        (_, first, head), (_, last, end) = self._seen[0], self._seen[-1]
        growth = (end - last) - (head - first)
        return "grows" if growth > 0 else "shrinks" if growth < 0 else "steady"

    def left(self, lag: int) -> float | None:
        """Seconds until nothing is left of ``lag``; None: that is not to be expected."""
        if lag == 0:
            return 0.0
        gain = self.rate - self._per_second(2)
        return lag / gain if gain > 0 else None

    def _per_second(self, column: Literal[1, 2]) -> float:
        if len(self._seen) < 2:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        return (last[column] - first[column]) / max(last[0] - first[0], 1e-6)
