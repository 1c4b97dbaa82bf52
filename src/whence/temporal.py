"""Moments of the whole log, and what differs in the rows of a read model between two of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from whence.envelope import Recorded, to_micros
from whence.errors import NotFound
from whence.history import Changed, moment
from whence.readmodels import ReadModel, ReadModelSpec
from whence.storable import same
from whence.store import ALL, EventStore

R = TypeVar("R", bound=ReadModel)

Progress = Callable[[int, int], None]
"""Told after each page how far the log is folded: a position, and the one where it ends."""


class Positioned(Protocol):
    """Knows a place in the log, as a receipt does."""

    @property
    def position(self) -> int:
        """The place."""
        ...


When = int | str | date | Positioned
"""A position, what has one (such as a receipt), or a time: a datetime, a date (its beginning) or
either as ISO 8601 text. Times without a zone are UTC."""


def when(said: When) -> int | datetime:
    """A position or an aware moment. Raises ValueError for text that is none."""
    if isinstance(said, (str, date)):
        return moment(said)
    position = said if isinstance(said, int) else said.position
    if position < 0:
        raise ValueError("positions count from 1; 0 is before the first event")
    return position


async def position_of(store: EventStore, said: int | datetime) -> int:
    """The position that the log had reached then. Raises `NotFound` for one in the future.

    A time is found by halving: times grow with the positions, as far as the clocks of those who
    wrote agree. If they do not, an event near the moment may count to its other side.
    """
    head = await store.head()
    if isinstance(said, datetime):
        return await _reached(store, to_micros(said), head)
    if said > head:
        raise NotFound(f"the log ends at position {head}: there is no {said} yet")
    return said


async def _reached(store: EventStore, micros: int, head: int) -> int:
    """The position of the last event that is not later than ``micros``; 0: there is none.

    The places that it looks at do not depend on where the log ends today, so that the answer
    for a moment of the past is the same tomorrow.
    """
    reached, step = 0, 1 << head.bit_length()
    while step:
        event = await _first(store, reached + step - 1) if reached + step <= head else None
        if event is not None and event.micros <= micros:
            reached = event.position
        else:
            step >>= 1
    return reached


async def _first(store: EventStore, after: int) -> Recorded | None:
    """The first event after a position."""
    async for page in store.read(ALL, after=after, limit=1):
        for event in page.events:
            return event
    return None


@dataclass(frozen=True, slots=True)
class RowChange(Generic[R]):
    """A row that is not the same at two moments."""

    key: Any
    before: R | None
    """None: there was no such row."""
    after: R | None
    """None: there is none any more."""
    changes: tuple[Changed, ...]
    """The columns in which they differ; the version does not count."""

    @property
    def kind(self) -> Literal["appeared", "vanished", "changed"]:
        """What became of it."""
        if self.before is None:
            return "appeared"
        return "vanished" if self.after is None else "changed"


def differing(
    spec: ReadModelSpec[Any], before: R | None, after: R | None, column: str | None = None
) -> tuple[Changed, ...]:
    """The columns in which two states of a row differ, or only the one that is asked for.

    The version changes with every event, so it is no difference unless it is asked for.
    """
    names = [one.name for one in spec.columns] if column is None else [column]
    pairs = [(name, getattr(before, name, None), getattr(after, name, None)) for name in names]
    return tuple(Changed(name, one, other) for name, one, other in pairs if not same(one, other))
