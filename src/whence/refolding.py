"""Folding the rows of a survey once more from the log, to compare them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Generic, Literal, TypeVar

from whence.envelope import Recorded
from whence.folds import Fold, Rows, Step, unstuck
from whence.reading import pages
from whence.readmodels import ReadModel
from whence.sampling import Takes
from whence.store import EventStore
from whence.surveys import Survey
from whence.temporal import Progress
from whence.tracing import queries_of

R = TypeVar("R", bound=ReadModel)

_EVENTS = 20
"""Events that are named for one difference, at most: the latest."""


class Fresh(Generic[R]):
    """Rows that are folded from the log."""

    _whole = False
    """Whether it needs to know more of events than their data."""

    def __init__(
        self, fold: Fold[R], takes: Takes | None, keys: Iterable[Any] | None = None
    ) -> None:
        self.rows: Rows[R] = {}
        self.last: dict[Any, int] = {}
        self._fold = fold
        self._takes = takes if keys is None else set(keys).__contains__

    def of(self, keys: Collection[Any]) -> "Fresh[R]":
        """The rows of ``keys`` alone, for folding on."""
        other = Fresh(self._fold, None, keys)
        for key in keys:
            row = self.rows.get(key)
            other.rows[key] = None if row is None else self._fold.copied(row)
            other.last[key] = self.last.get(key, 0)
        return other

    async def follow(
        self,
        store: EventStore,
        survey: Survey[R],
        progress: Progress | None,
        before: Survey[R] | None = None,
    ) -> None:
        """Fold what should be in the rows of ``survey``, and is not in those of ``before``."""
        low = 0 if before is None else min(m.position for m in before.marks.values())
        everything = before is None and survey.even and self._takes is None
        position, whole, left_out = survey.position, self._whole, survey.left_out
        async for steps, scanned in pages(store, self._fold, low, position, left_out, whole=whole):
            wanted = steps if everything else list(self._wanted(steps, survey, before))
            self._apply(wanted)
            if progress is not None:
                progress(scanned, survey.position)

    async def trace(
        self,
        store: EventStore,
        survey: Survey[R],
        keys: Collection[Any],
        progress: Progress | None = None,
    ) -> None:
        """Fold the rows of ``keys`` from their own events."""
        position, done = survey.position, 0
        for some, query in queries_of(self._fold.spec, keys):
            found = pages(store, self._fold, 0, position, survey.left_out, query=query)
            async for steps, _ in found:
                self._apply(list(self._wanted(steps, survey, None)))
            done += len(some)
            if progress is not None:
                progress(position * done // len(keys), position)

    def _apply(self, steps: Sequence[Step]) -> None:
        with unstuck():
            self.last |= self._fold.apply(steps, self.rows)

    def _wanted(
        self, steps: Iterable[Step], survey: Survey[R], before: Survey[R] | None
    ) -> Iterable[Step]:
        for step in steps:
            recorded = step[0]
            keys = [
                key
                for key in step[3]
                if (self._takes is None or self._takes(key))
                and survey.holds(key, recorded)
                and not (before is not None and before.holds(key, recorded))
            ]
            if keys:
                yield step if len(keys) == len(step[3]) else (*step[:3], keys, step[4])


class Past(Fresh[R]):
    """Rows that are folded once more, to see when they were as they are kept."""

    _whole = True

    def __init__(self, fold: Fold[R], survey: Survey[R], keys: Sequence[Any]) -> None:
        super().__init__(fold, None, keys)
        self._kept = {key: survey.rows.get(key) for key in keys}
        self._seen: dict[Any, list[Recorded]] = {key: [] for key in keys}
        self._were = set[Any]()

    def kind(self, key: Any) -> Literal["stale", "wrong"]:
        """Whether the row was ever as it is kept."""
        return "stale" if key in self._were else "wrong"

    def events(self, key: Any) -> list[Recorded]:
        """Those that the row has missed, if it was right once; else the latest."""
        kept, seen = self._kept[key], self._seen[key]
        if kept is not None and key in self._were:
            seen = [event for event in seen if event.position > kept[1]]
        return seen[-_EVENTS:]

    def _apply(self, steps: Sequence[Step]) -> None:
        for step in steps:
            super()._apply([step])
            for key in step[3]:
                self._see(key, step[0])

    def _see(self, key: Any, recorded: Recorded) -> None:
        kept, row = self._kept[key], self.rows.get(key)
        self._seen[key].append(recorded)
        if kept is not None and recorded.position <= kept[1]:
            if row is not None and kept[0] == self._fold.copied(row):
                self._were.add(key)
            else:
                self._were.discard(key)
