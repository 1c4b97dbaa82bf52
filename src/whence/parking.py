"""Parking what cannot be handled: a key's events wait in order, and everything else goes on.

An event that its handler fails on, or that makes a row which cannot be kept, is parked under its
row's key, and so is every later event of that key. An event that cannot be read, so that nobody
knows its key, is parked under its stream, and so is what follows it there.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from whence.envelope import Recorded
from whence.errors import HandlerFailed, UnknownType, WhenceError
from whence.folds import NOTHING, Fold, Rows, Skipped, Step, Stuck, stream_key
from whence.readmodels import ReadModel
from whence.slices import Share, name_of, slice_of

R = TypeVar("R", bound=ReadModel)
Row = TypeVar("Row", bound=ReadModel, contravariant=True)


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that waits."""

    key: str
    """The text of its row's key, or ``stream:`` and its stream."""
    slice: int
    """In which it waits: an event of a stream can do so in several."""
    position: int
    error: str | None = None
    """Why it could not be handled; None: it waits behind another one."""


def can_be_parked(error: WhenceError) -> bool:
    """Whether the event is to blame. A type that is not known is a mistake of deployment."""
    return not isinstance(error, UnknownType)


class Parking:
    """What is parked of one share, what was skipped, and what has to be parked in addition."""

    def __init__(
        self,
        share: Share,
        parked: Iterable[tuple[int, str]] = (),
        skipped: Skipped = NOTHING,
    ) -> None:
        self.added: list[Parked] = []
        self.share = share
        # Where each begins to wait; what is before that has been handled.
        self._held = dict.fromkeys(parked, 0)
        self._skipped = skipped

    @property
    def concerned(self) -> bool:
        """Whether anything is parked or skipped, so that there is something to look for."""
        return bool(self._held) or self._skipped is not NOTHING

    def expects(self, position: int, events: Iterable[Recorded]) -> bool:
        """Whether the event at ``position`` is left out, or waits behind others of its stream."""
        if any(skipped == position for _, skipped in self._skipped):
            return True
        keys = {stream_key(event) for event in events if event.position == position}
        return any(key in keys for _, key in self._held)

    def passes(self, key: Any, recorded: Recorded) -> bool:
        """Whether an event goes on to the row of ``key``. If it has to wait, it is parked."""
        position, name = recorded.position, name_of(key)
        if not self.share.takes(key, position):
            return False
        if (name, position) in self._skipped or (stream_key(recorded), position) in self._skipped:
            return False
        number = slice_of(key, self.share.slices)
        for held in (name, stream_key(recorded)):
            if self._held.get((number, held), position) < position:
                self.added.append(Parked(held, number, position))
                return False
        return True

    def park(self, key: Any, recorded: Recorded, error: WhenceError) -> None:
        """The row of ``key`` cannot take this event."""
        number = slice_of(key, self.share.slices)
        self._hold(Parked(name_of(key), number, recorded.position, str(error)))

    def park_stream(self, recorded: Recorded, error: WhenceError) -> None:
        """This event cannot be handled, in a projection that takes streams, not rows."""
        number = slice_of(recorded.stream, self.share.slices)
        self._hold(Parked(stream_key(recorded), number, recorded.position, str(error)))

    def park_unread(self, recorded: Recorded, error: WhenceError) -> None:
        """This event cannot be read: whatever it concerns waits for it."""
        key, position = stream_key(recorded), recorded.position
        if (key, position) in self._skipped:
            return
        for number in self.share.taking(position):
            self._hold(Parked(key, number, position, str(error)))

    def _hold(self, parked: Parked) -> None:
        first = self._held.setdefault((parked.slice, parked.key), parked.position)
        alone = first == parked.position
        self.added.append(parked if alone else replace(parked, error=None))


class Checking(Protocol[Row]):
    """Says what can be kept. Both raise ValueError for what cannot."""

    def check_row(self, row: Row, /) -> None:
        """Look at a row that was folded."""
        ...

    def check_key(self, key: Any, /) -> None:
        """Look at what an event says is the key of its row."""
        ...


class ParkingFold(Generic[R]):
    """Folds what can be folded and kept, for the slices of one share, and parks the rest."""

    def __init__(
        self, fold: Fold[R], parking: Parking, checking: Checking[R] | None = None
    ) -> None:
        self._fold, self._parking, self._checking = fold, parking, checking

    def read(self, events: Iterable[Recorded]) -> list[Step]:
        """Like `Fold.read`, for events of which none is in the way: it raises `Stuck`."""
        steps = self._fold.read(events)
        if self._parking.concerned:
            return [step for step in map(self._passing, steps) if step[3]]
        return steps if self._parking.share.takes_all else self._taken(steps)

    def read_carefully(self, events: Iterable[Recorded]) -> list[Step]:
        """Like `read`, but parks what cannot be read. Raises `Stuck` for unknown types only."""
        return [step for recorded in events for step in self._read_one(recorded)]

    def apply_carefully(self, steps: Iterable[Step], rows: Rows[R]) -> dict[Any, int]:
        """Like `Fold.apply`, but parks what cannot be folded, or not be kept."""
        changed: dict[Any, int] = {}
        for recorded, event, evolve, keys, own in steps:
            for key in keys:
                if not self._parking.passes(key, recorded):
                    continue
                before = deepcopy(rows.get(key))
                try:
                    folded = self._fold.apply([(recorded, event, evolve, (key,), own)], rows)
                    self._check_row(rows.get(key), recorded)
                except Stuck as stuck:
                    rows[key] = before
                    self._parking.park(key, recorded, stuck.error)
                else:
                    changed |= folded
        return changed

    def _read_one(self, recorded: Recorded) -> Iterator[Step]:
        try:
            steps = self._fold.read([recorded])
            self._check(steps, recorded)
        except Stuck as stuck:
            if not can_be_parked(stuck.error):
                raise
            self._parking.park_unread(recorded, stuck.error)
        else:
            yield from steps

    def _check(self, steps: Iterable[Step], recorded: Recorded) -> None:
        if self._checking is not None:
            for key in (key for step in steps for key in step[3]):
                with self._blaming(recorded):
                    self._checking.check_key(key)

    def _check_row(self, row: R | None, recorded: Recorded) -> None:
        if self._checking is not None and row is not None:
            with self._blaming(recorded):
                self._checking.check_row(row)

    @contextmanager
    def _blaming(self, recorded: Recorded) -> Generator[None]:
        """Raise `Stuck` if the event brings what cannot be kept."""
        try:
            yield
        except ValueError as error:
            failure = HandlerFailed(self._fold.spec.name, recorded, error)
            failure.__cause__ = error
            raise Stuck(recorded.position, failure) from error

    def _taken(self, steps: Iterable[Step]) -> list[Step]:
        """The same if nothing is parked or skipped. Quick: most steps may be those of others."""
        slices = self._parking.share.slices
        kept = {number: mark.position for number, mark in self._parking.share.marks.items()}
        taken: list[Step] = []
        for step in steps:
            keys, position = step[3], step[0].position
            if len(keys) != 1:
                step = self._passing(step)
            elif kept.get(slice_of(keys[0], slices), position) >= position:
                continue
            if step[3]:
                taken.append(step)
        return taken

    def _passing(self, step: Step) -> Step:
        recorded, event, evolve, keys, own = step
        passing = tuple(key for key in keys if self._parking.passes(key, recorded))
        return step if len(passing) == len(keys) else (recorded, event, evolve, passing, own)
