"""Faults in what becomes of commits: their identity, their wholeness, what is kept."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from whence.envelope import NewEvent
from whence.errors import Conflict, Unknown
from whence.store import Appended, Commit, Outcome
from whence.testing.conformance import (
    Appending,
    Idempotency,
    Neighbours,
    NothingLost,
    OpenStore,
    Suite,
)
from whence.testing.faults.faulty import Faulty, changed

# Identity


class StoresTwice(Faulty):
    """Does not know an id again."""

    caught_by: ClassVar[type[Suite]] = Idempotency

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__(open_store)
        self._number = 0

    def commit(self, commit: Commit) -> Commit:
        self._number += 1
        return changed(commit, id=f"{commit.id}-{self._number}")


class CallsItNew(Faulty):
    """Does not say that nothing was stored now."""

    caught_by: ClassVar[type[Suite]] = Idempotency

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        return [
            Appended(o.position, o.versions) if isinstance(o, Appended) else o for o in outcomes
        ]


class JudgesBeforeItRemembers(Faulty):
    """Refuses a commit that it has stored, since its condition no longer holds."""

    caught_by: ClassVar[type[Suite]] = Idempotency

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        for n, (commit, outcome) in enumerate(zip(commits, outcomes, strict=True)):
            if isinstance(outcome, Appended) and outcome.duplicate and commit.expected:
                outcomes[n] = Conflict(commit.expected, outcome.versions)
        return outcomes


# One for all


class KeepsHalf(Faulty):
    """Leaves the first event of a refused commit behind."""

    caught_by: ClassVar[type[Suite]] = Neighbours

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        for commit, outcome in zip(commits, outcomes, strict=True):
            if isinstance(outcome, Conflict):
                await self._right.append([Commit(f"{commit.id}-half", commit.events[:1])])
        return outcomes


class FallsTogether(Faulty):
    """Refuses all that come after a refused commit in the same call."""

    caught_by: ClassVar[type[Suite]] = Neighbours

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for commit in commits:
            if outcomes and isinstance(outcomes[-1], Conflict):
                outcomes.append(outcomes[-1])
            else:
                outcomes += await self._right.append([commit])
        return outcomes


class MixesUpAnswers(Faulty):
    """Gives the outcomes in the wrong order."""

    caught_by: ClassVar[type[Suite]] = Neighbours

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        return (await self._right.append(commits))[::-1]


class Divides(Faulty):
    """Stores each event by itself."""

    caught_by: ClassVar[type[Suite]] = Appending

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for commit in commits:
            last: Outcome = Unknown(commit.id)
            for n, event in enumerate(commit.events):
                (last,) = await self._right.append([Commit(f"{commit.id}-{n}", [event])])
            outcomes.append(last)
        return outcomes


class AcknowledgesFirst(Faulty):
    """Says that it is done, and does it a little later."""

    caught_by: ClassVar[type[Suite]] = NothingLost

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__(open_store)
        self._later: set[asyncio.Task[None]] = set()
        self._last: asyncio.Task[None] | None = None

    async def __aexit__(self, *reason: Any) -> None:
        await asyncio.gather(*self._later)
        await super().__aexit__(*reason)

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        task = asyncio.create_task(self._store(commits, self._last))
        self._last = task
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        await asyncio.sleep(0.002)
        return [Appended(0, self._versions(commit)) for commit in commits]

    async def _store(self, commits: Sequence[Commit], before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            await before
        await asyncio.sleep(0.02)
        await self._right.append(commits)

    def _versions(self, commit: Commit) -> dict[str, int]:
        versions = dict(commit.expected)
        for event in commit.events:
            versions[event.stream] = versions.get(event.stream, 0) + 1
        return versions


# What is kept


class LosesMetadata(Faulty):
    """Keeps the event and forgets who caused it."""

    caught_by: ClassVar[type[Suite]] = Appending

    def commit(self, commit: Commit) -> Commit:
        events = [
            NewEvent(e.type, e.data, e.stream, e.tags, b"{}", e.micros) for e in commit.events
        ]
        return changed(commit, events=events)


class SortsTags(Faulty):
    """Keeps the tags in an order of its own."""

    caught_by: ClassVar[type[Suite]] = Appending

    def commit(self, commit: Commit) -> Commit:
        events = [
            NewEvent(e.type, e.data, e.stream, tuple(sorted(e.tags)), e.metadata, e.micros)
            for e in commit.events
        ]
        return changed(commit, events=events)


class Miscounts(Faulty):
    """Names the versions before the commit in place of those after it."""

    caught_by: ClassVar[type[Suite]] = Appending

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        return [
            Appended(o.position, {s: v - 1 for s, v in o.versions.items()}, o.duplicate)
            if isinstance(o, Appended)
            else o
            for o in await self._right.append(commits)
        ]
