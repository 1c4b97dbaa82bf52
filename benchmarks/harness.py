"""Measuring several sides in turn: what each round says, and what all of them say together.

The sides of a figure take turns in every round, each round beginning with another one, so that
whatever else the machine does hits all of them alike. What counts is the median of the rounds.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Literal

from whence.testing.postgres import PostgresServer

WHENCE, FLOOR, PEER = "whence", "floor", "peer"
"""The sides that most figures have. Others are variants of whence, reported without a goal."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round of one side says."""

    value: float
    """In the unit of the figure."""
    cpu: float | None = None
    """Microseconds of processor time per operation, of the whole process."""


@dataclass(frozen=True, slots=True)
class Work:
    """Where a side works, and how much it shall do."""

    folder: Path
    shared: Path
    """What takes long to make is made once, here, for all figures of a run."""
    quick: bool = False
    server: PostgresServer | None = None
    """For the figures of PostgreSQL."""

    def of(self, number: int, quick: int) -> int:
        """``number``, or ``quick`` if it only matters that everything still works."""
        return quick if self.quick else number


Round = Callable[[], Sample]
Side = Callable[[Work], AbstractContextManager[Round]]
"""Makes everything ready; each call of what it gives is one round."""


Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Goal:
    """Whence shall be at least so many ``times`` as good as ``against``."""

    against: str
    times: float

    def compare(self, one: float, other: float, better: Better) -> float:
        """How many times as good is ``one``?"""
        return one / other if better == "more" else other / one

    def met(self, compared: float) -> bool:
        """Whether that is enough."""
        return compared >= self.times

    def __str__(self) -> str:
        return f"at least {self.times:g} times"


@dataclass(frozen=True, slots=True)
class Surplus:
    """Whence shall need at most so much more than ``against``."""

    against: str
    most: float

    def compare(self, one: float, other: float, better: Better) -> float:
        """How much more is ``one``?"""
        return one - other

    def met(self, compared: float) -> bool:
        """Whether that is little enough."""
        return compared <= self.most

    def __str__(self) -> str:
        return f"at most {self.most:g} more"


@dataclass(frozen=True, slots=True)
class Limit:
    """Whence shall have at most so much, whatever others have."""

    most: float
    against: str = WHENCE

    def compare(self, one: float, other: float, better: Better) -> float:
        """How much is it?"""
        return one

    def met(self, compared: float) -> bool:
        """Whether that is little enough."""
        return compared <= self.most

    def __str__(self) -> str:
        return f"at most {self.most:g}"


Comparison = Goal | Surplus | Limit


@dataclass(frozen=True, slots=True)
class Figure:
    """One question: what is measured, on which sides, and what shall come out."""

    name: str
    title: str
    unit: str
    sides: Mapping[str, Side]
    goals: tuple[Comparison, ...]
    better: Better = "more"
    rounds: int = 7


@dataclass(frozen=True, slots=True)
class Result:
    """What came out."""

    figure: Figure
    samples: Mapping[str, list[Sample]]
    seconds: float

    def value(self, side: str) -> float | None:
        """The median of the rounds; None if the side was not measured."""
        samples = self.samples.get(side)
        return median(sample.value for sample in samples) if samples else None

    def cpu(self, side: str) -> float | None:
        """The median processor time per operation; None if it was not measured."""
        found = [s.cpu for s in self.samples.get(side, ()) if s.cpu is not None]
        return median(found) if found else None

    def compared(self, goal: Comparison, side: str = WHENCE) -> list[float]:
        """How ``side`` compares in each round with what the goal names, the smallest first."""
        pairs = zip(self.samples.get(side, ()), self.samples.get(goal.against, ()), strict=False)
        better = self.figure.better
        return sorted(goal.compare(one.value, other.value, better) for one, other in pairs)


def measure(figure: Figure, work: Work, rounds: int, without: set[str]) -> Result:
    """Let all sides take turns, ``rounds`` times."""
    start = time.perf_counter()
    names = [name for name in figure.sides if name not in without]
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    with ExitStack() as stack:
        ready = {
            name: stack.enter_context(figure.sides[name](_own_folder(work, name)))
            for name in names
        }
        for number in range(rounds):
            for name in _rotated(names, number):
                gc.collect()
                samples[name].append(ready[name]())
                _progress(figure, number + 1, rounds)
    _progress(figure, 0, 0)
    return Result(figure, samples, time.perf_counter() - start)


@dataclass(slots=True)
class Stopwatch:
    """Measures the time on the wall and the processor time of this process."""

    wall: float = 0.0
    cpu: float = 0.0
    _since: tuple[float, float] = field(default=(0.0, 0.0))

    def __enter__(self) -> "Stopwatch":
        self._since = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._since
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu

    def rate(self, operations: int) -> Sample:
        """Operations per second."""
        return Sample(operations / self.wall, self.cpu / operations * 1e6)


def _own_folder(work: Work, name: str) -> Work:
    folder = work.folder / name.replace(" ", "-").replace(",", "")
    folder.mkdir()
    return replace(work, folder=folder)


def _rotated(names: list[str], by: int) -> Iterator[str]:
    start = by % len(names)
    yield from names[start:]
    yield from names[:start]


def _progress(figure: Figure, number: int, rounds: int) -> None:
    if sys.stderr.isatty():
        text = f"{figure.name}: round {number} of {rounds}" if rounds else ""
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)
