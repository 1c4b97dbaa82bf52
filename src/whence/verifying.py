"""Verifying a read model: are its rows what the log makes of them? And mending those that are not.

The rows, the checkpoints and what is parked are looked at in one consistent state of their
database; the log is folded afresh up to those checkpoints, and the two are compared. So nothing
has to stand still meanwhile.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from whence.envelope import Recorded
from whence.folds import Fold, Rows, Skipped
from whence.history import Changed
from whence.readmodels import ReadModel
from whence.refolding import Fresh, Past
from whence.sampling import MOST, WORTH_IT, Takes, found_at_places, part, sampled
from whence.store import EventStore
from whence.surveys import Auditable, Survey, is_later
from whence.temporal import Progress, differing
from whence.tracing import is_narrow, query_of

R = TypeVar("R", bound=ReadModel)

Kind = Literal["missing", "extra", "stale", "wrong"]

ROWS_AT_ONCE = 250_000
"""Rows that are compared in one reading of the log: more take as many readings more."""
_EXPLAINED = 1_000
"""Differences that are explained and mended in one go."""
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
        keys = await found_at_places(self._store, self._fold, head, percent, salt, survey.left_out)
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
        fresh = Fresh(self._fold, None, keys)
        await fresh.trace(self._store, survey, keys, progress)
        differing = self._compared(survey, fresh.rows)
        if not differing:
            return self._verified(survey, fresh, [], 0)
        again = Fresh(self._fold, None, differing)
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
        fresh = Fresh(self._fold, takes)
        await fresh.follow(self._store, survey, progress)
        return await self._judged(survey, fresh, repair)

    async def _judged(self, survey: Survey[R], fresh: Fresh[R], repair: bool) -> Verified[R]:
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
        fresh: Fresh[R],
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
        self, survey: Survey[R], fresh: Fresh[R], keys: Sequence[Any]
    ) -> list[Difference[R]]:
        """Say of each difference what it is, and by which events it came about."""
        if not keys:
            return []
        again = Past(self._fold, survey, keys)
        await again.follow(self._store, survey, None)
        return [
            replace(
                self._difference(survey, fresh, key, again.kind(key)),
                events=tuple(again.events(key)),
            )
            for key in keys
        ]

    def _difference(
        self, survey: Survey[R], fresh: Fresh[R], key: Any, kind: Kind
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

    async def _mend(self, survey: Survey[R], fresh: Fresh[R], keys: Sequence[Any]) -> None:
        for start in range(0, len(keys), _MENDED):
            some = keys[start : start + _MENDED]

            async def refold(
                now: Survey[R], some: Sequence[Any] = some
            ) -> tuple[Rows[R], Mapping[Any, int]]:
                again = fresh.of(some) if is_later(now, survey) else None
                again, before = (again, survey) if again else (Fresh(self._fold, None, some), None)
                await again.follow(self._store, now, None, before)
                return again.rows, again.last

            await self._kept.mend(some, refold)


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
