"""Verifying a read model: are its rows what the log makes of them? And mending those that are not.

The rows, the checkpoints and what is parked are looked at in one consistent state of their
database; the log is folded afresh up to those checkpoints, and the two are compared. So nothing
has to stand still meanwhile.
"""

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol, TypeVar

from whence.envelope import Recorded
from whence.folds import Fold, Rows, Skipped, Step, Stuck, stream_key
from whence.history import Changed
from whence.readmodels import ReadModel
from whence.sampling import MOST, WORTH_IT, Takes, found_at_places, part, sampled
from whence.slices import Mark, name_of, slice_of
from whence.store import EventStore
from whence.temporal import Progress, differing
from whence.tracing import is_narrow, pages, queries_of, query_of

R = TypeVar("R", bound=ReadModel)

Kind = Literal["missing", "extra", "stale", "wrong"]

ROWS_AT_ONCE = 250_000
"""Rows that are compared in one reading of the log: more take as many readings more."""
_EXPLAINED = 1_000
"""Differences that are explained and mended in one go."""
_EVENTS = 20
"""Events that are named for one difference, at most: the latest."""
_MENDED = 100
"""Rows that are mended in one transaction."""


@dataclass(frozen=True, slots=True)
class Difference(Generic[R]):
    """A row that is not what its events make it."""

    kind: Kind
    """``missing``: there should be one; ``extra``: there should be none; ``stale``: it was right
    once, and has missed ``events`` since; ``wrong``: no past of it looks like this."""
    key: Any
    kept: R | None
    """As it is."""
    fresh: R | None
    """As it should be."""
    changes: tuple[Changed, ...]
    """The columns that differ: what they are, and what they should be."""
    events: tuple[Recorded, ...] = ()
    """What explains it: the events that the row has missed, or else its latest ones."""
    mended: bool = False


@dataclass(frozen=True, slots=True)
class Verified(Generic[R]):
    """What a verification has found."""

    name: str
    position: int
    """The log was folded up to there."""
    rows: int
    """So many rows were compared."""
    differences: tuple[Difference[R], ...]
    found: int
    """How many rows differ; only the first of them are in ``differences`` unless mended."""
    skipped: Skipped
    """The events that somebody has left out on purpose: keys and positions."""
    parked: int
    """Events that wait in the dead letters: rows were compared without them."""
    beyond: int | None = None
    """The checkpoint claims this position, which the log has not reached."""

    @property
    def mended(self) -> int:
        """How many rows were mended."""
        return sum(one.mended for one in self.differences)

    @property
    def in_sync(self) -> bool:
        """Whether there is nothing left to mend."""
        return self.found == self.mended and self.beyond is None


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


class Verification(Generic[R]):
    """Compares the rows of one read model with the log."""

    def __init__(self, store: EventStore, fold: Fold[R], kept: Auditable[R]) -> None:
        self._store, self._fold, self._kept = store, fold, kept

    async def run(
        self,
        sample: float | None = None,
        *,
        salt: int = 0,
        repair: bool = False,
        progress: Progress | None = None,
    ) -> Verified[R]:
        """Compare all rows, or of ``sample`` percent of the keys those that ``salt`` picks."""
        beyond = await self._beyond(repair)
        if sample is not None:
            return replace(await self._sample(sample, salt, repair, progress), beyond=beyond)
        parts = 1 + await self._kept.count() // ROWS_AT_ONCE
        found: Verified[R] | None = None
        for number in range(parts):
            one = await self._part(part(number, parts), repair, _shifted(progress, number, parts))
            found = one if found is None else _together(found, one)
        assert found is not None
        return replace(found, beyond=beyond)

    async def of(self, keys: Collection[Any], *, repair: bool = False) -> Verified[R]:
        """Compare the rows of ``keys``, which need not exist.

        Their own events are read first. Only if those say that a row differs, the others are too:
        what was written by other versions of the application may lie elsewhere.
        """
        survey = await self._kept.survey_of(keys)
        return await self._traced(survey, keys, repair, None)

    async def _sample(
        self, percent: float, salt: int, repair: bool, progress: Progress | None
    ) -> Verified[R]:
        """Compare the rows that a sample takes with their own events alone.

        Rows that are not there, though they should be, are looked for at as many places of the
        log. Where a row's own events are not found at once, the whole log is read.
        """
        takes, head = sampled(percent, salt), await self._store.head()
        survey = await self._kept.survey(takes)
        own = next((query_of(self._fold.spec, key) for key in survey.rows), None)
        if head < WORTH_IT or percent > MOST or not is_narrow(own):
            return await self._part(takes, repair, progress)
        found = await self._traced(survey, survey.rows, repair, progress)
        keys = await found_at_places(self._store, self._fold, head, percent, salt)
        there = (await self._kept.survey_of(keys)).rows
        missing = [key for key in keys if key not in there]
        return _together(await self.of(missing, repair=repair), found)

    async def _traced(
        self,
        survey: Survey[R],
        keys: Collection[Any],
        repair: bool,
        progress: Progress | None,
    ) -> Verified[R]:
        fresh = _Fresh(self._fold, None, keys)
        await fresh.trace(self._store, survey, keys, progress)
        differing = self._compared(survey, fresh.rows)
        if not differing:
            return self._verified(survey, fresh, [], 0)
        again = _Fresh(self._fold, None, differing)
        await again.follow(self._store, survey, None)
        fresh.rows |= {key: again.rows.get(key) for key in differing}
        fresh.last |= again.last
        return await self._judged(survey, fresh, repair)

    async def _beyond(self, repair: bool) -> int | None:
        """A checkpoint that claims more than there is would let later events be missed."""
        survey = await self._kept.survey_of(())
        head = await self._store.head()
        if survey.position <= head:
            return None
        if repair:
            await self._kept.go_back(head)
            return None
        return survey.position

    async def _part(
        self, takes: Takes | None, repair: bool, progress: Progress | None
    ) -> Verified[R]:
        survey = await self._kept.survey(takes)
        fresh = _Fresh(self._fold, takes)
        await fresh.follow(self._store, survey, progress)
        return await self._judged(survey, fresh, repair)

    async def _judged(self, survey: Survey[R], fresh: "_Fresh[R]", repair: bool) -> Verified[R]:
        keys = self._compared(survey, fresh.rows)
        differences = await self._explained(survey, fresh, keys[:_EXPLAINED])
        if repair:
            later = keys[_EXPLAINED:]
            differences += [self._difference(survey, fresh, key, "wrong") for key in later]
            await self._mend(survey, fresh, keys)
            differences = [replace(one, mended=True) for one in differences]
        return self._verified(survey, fresh, differences, len(keys))

    def _verified(
        self,
        survey: Survey[R],
        fresh: "_Fresh[R]",
        differences: Sequence[Difference[R]],
        found: int,
    ) -> Verified[R]:
        rows = survey.rows.keys() | {key for key, row in fresh.rows.items() if row is not None}
        return Verified(
            self._fold.spec.name,
            survey.position,
            len(rows),
            tuple(differences),
            found,
            survey.skipped,
            len(survey.parked),
        )

    def _compared(self, survey: Survey[R], fresh: Rows[R]) -> list[Any]:
        """The keys of the rows that differ."""
        kept, copied = survey.rows, self._fold.copied
        found = [key for key in kept if fresh.get(key) is None]
        for key, row in fresh.items():
            if row is None:
                continue
            there = kept.get(key)
            if there is None or (there[0] != row and there[0] != copied(row)):
                found.append(key)
        return found

    async def _explained(
        self, survey: Survey[R], fresh: "_Fresh[R]", keys: Sequence[Any]
    ) -> list[Difference[R]]:
        """Say of each difference what it is, and by which events it came about."""
        if not keys:
            return []
        again = _Past(self._fold, survey, keys)
        await again.follow(self._store, survey, None)
        return [
            replace(
                self._difference(survey, fresh, key, again.kind(key)),
                events=tuple(again.events(key)),
            )
            for key in keys
        ]

    def _difference(
        self, survey: Survey[R], fresh: "_Fresh[R]", key: Any, kind: Kind
    ) -> Difference[R]:
        kept, row = survey.rows.get(key), fresh.rows.get(key)
        was, should = None if kept is None else kept[0], None
        if row is not None:
            should = self._fold.copied(row)
        kind = "missing" if was is None else "extra" if should is None else kind
        changes = differing(self._fold.spec, was, should)
        if was is not None and should is not None and was.version != should.version:
            changes = (*changes, Changed("version", was.version, should.version))
        return Difference(kind, key, was, should, changes)

    async def _mend(self, survey: Survey[R], fresh: "_Fresh[R]", keys: Sequence[Any]) -> None:
        for start in range(0, len(keys), _MENDED):
            some = keys[start : start + _MENDED]

            async def refold(
                now: Survey[R], some: Sequence[Any] = some
            ) -> tuple[Rows[R], Mapping[Any, int]]:
                again = fresh.of(some) if _is_later(now, survey) else None
                again, before = (
                    (again, survey) if again else (_Fresh(self._fold, None, some), None)
                )
                await again.follow(self._store, now, None, before)
                return again.rows, again.last

            await self._kept.mend(some, refold)


class _Fresh(Generic[R]):
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

    def of(self, keys: Collection[Any]) -> "_Fresh[R]":
        """The rows of ``keys`` alone, for folding on."""
        other = _Fresh(self._fold, None, keys)
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
        position, whole = survey.position, self._whole
        async for steps, scanned in pages(store, self._fold, low, position, whole=whole):
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
            async for steps, _ in pages(store, self._fold, 0, position, query=query):
                self._apply(list(self._wanted(steps, survey, None)))
            done += len(some)
            if progress is not None:
                progress(position * done // len(keys), position)

    def _apply(self, steps: Sequence[Step]) -> None:
        try:
            self.last |= self._fold.apply(steps, self.rows)
        except Stuck as stuck:
            raise stuck.error from stuck.error.__cause__

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


class _Past(_Fresh[R]):
    """Rows that are folded once more, to see when they were as they are kept."""

    _whole = True

    def __init__(self, fold: Fold[R], survey: Survey[R], keys: Sequence[Any]) -> None:
        super().__init__(fold, None, keys)
        self._kept = {key: survey.rows.get(key) for key in keys}
        self._seen: dict[Any, list[Recorded]] = {key: [] for key in keys}
        self._were = set[Any]()

    def kind(self, key: Any) -> Kind:
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


def _shifted(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """Progress over several readings of the log, as one."""
    if progress is None or parts == 1:
        return progress
    return lambda position, end: progress((part * end + position) // parts, end)


def _together(one: Verified[R], other: Verified[R]) -> Verified[R]:
    return replace(
        other,
        rows=one.rows + other.rows,
        differences=(*one.differences, *other.differences),
        found=one.found + other.found,
    )


def _is_later(now: Survey[Any], before: Survey[Any]) -> bool:
    """Whether nothing was taken back since: then it is enough to fold on."""
    return (
        all(now.marks[n].position >= mark.position for n, mark in before.marks.items())
        and now.parked >= before.parked
        and now.skipped == before.skipped
    )
