"""Faults in judging the condition of a commit."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from whence.envelope import Recorded
from whence.errors import Conflict
from whence.store import ALL, MOST_CONFLICTING, Commit, EventQuery, Outcome, of_commit
from whence.testing.conformance import Boundaries, ExpectedVersions, Suite, Unless
from whence.testing.faults.faulty import Faulty, changed


class ForgetsVersions(Faulty):
    """Does not compare versions at all."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    def commit(self, commit: Commit) -> Commit:
        return changed(commit, expected={})


class ChecksWhatItWrites(Faulty):
    """Does not compare the versions of streams that are only checked."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    def commit(self, commit: Commit) -> Commit:
        written = {event.stream for event in commit.events}
        expected = {s: v for s, v in commit.expected.items() if s in written}
        return changed(commit, expected=expected)


class ChecksOneStream(Faulty):
    """Compares the version of the first stream only."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    def commit(self, commit: Commit) -> Commit:
        return changed(commit, expected=_first(commit.expected, 1))


class BelievesTheFuture(Faulty):
    """Takes a version that is not reached yet for a good one."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        for n, outcome in enumerate(outcomes):
            if isinstance(outcome, Conflict) and _ahead(outcome):
                outcomes[n : n + 1] = await self._right.append([changed(commits[n], expected={})])
        return outcomes


class ChecksTooEarly(Faulty):
    """Compares versions and asks the query before the write lock is taken."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for commit in commits:
            conflict = await self._conflict(commit)
            await asyncio.sleep(0)
            bare = changed(commit, expected={}, unless=None)
            outcomes += [conflict] if conflict else await self._right.append([bare])
        return outcomes

    async def _conflict(self, commit: Commit) -> Conflict | None:
        actual = dict.fromkeys(commit.expected, 0)
        between: list[Recorded] = []
        found: list[Recorded] = []
        async for page in self._right.read(ALL):
            for event in page.events:
                if event.stream in actual:
                    actual[event.stream] = event.version
                    between += [event] * (event.version > commit.expected[event.stream])
                if (
                    commit.unless
                    and event.position > commit.after
                    and commit.unless.matches(event)
                ):
                    found.append(event)
        moved = {s: v for s, v in actual.items() if v != commit.expected[s]}
        if moved:
            expected = {stream: commit.expected[stream] for stream in moved}
            return Conflict(expected, moved, between[:MOST_CONFLICTING])
        return Conflict({}, {}, found[:MOST_CONFLICTING]) if found else None


class ChecksQueriesTooEarly(ChecksTooEarly):
    """The same, seen by those who decide on what a query finds."""

    caught_by: ClassVar[type[Suite]] = Boundaries


class HidesWhatCameBetween(Faulty):
    """Reports a conflict without its events."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        return [Conflict(o.expected, o.actual) if isinstance(o, Conflict) else o for o in outcomes]


class ListsByStream(Faulty):
    """Lists what came between stream by stream, not in the order of the log."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        return [
            Conflict(o.expected, o.actual, sorted(o.events, key=lambda event: event.stream))
            if isinstance(o, Conflict)
            else o
            for o in outcomes
        ]


class ListsItsCall(Faulty):
    """Lists what came earlier in the same call, also as far as the writer expected it."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        return [
            await self._with(o, commits[:n]) if isinstance(o, Conflict) else o
            for n, o in enumerate(outcomes)
        ]

    async def _with(self, conflict: Conflict, earlier: Sequence[Commit]) -> Conflict:
        events = list(conflict.events)
        for commit in earlier:
            async for page in self._right.read(of_commit(commit.id)):
                events += [e for e in page.events if e.stream in conflict.expected]
        listed = {event.position: event for event in events}
        return Conflict(conflict.expected, conflict.actual, [listed[at] for at in sorted(listed)])


# Queries as conditions


class ForgetsQueries(Faulty):
    """Stores whatever the query of the condition finds."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return changed(commit, unless=None)


class RemembersTooMuch(Faulty):
    """Looks for matches in the whole log, also before the position that was seen."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return changed(commit, after=0)


class SeesTheLastAgain(Faulty):
    """Takes the position that was seen for one that was not."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return changed(commit, after=max(commit.after - 1, 0))


class SeesItsCallAgain(Faulty):
    """Takes what came earlier in the same call for unseen, whatever was seen."""

    caught_by: ClassVar[type[Suite]] = Unless

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        head = await self._right.head()
        return await self._right.append([changed(c, after=min(c.after, head)) for c in commits])


class MissesTheFirst(Faulty):
    """Does not look at the first event after the position that was seen."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return changed(commit, after=commit.after + 1)


class ListsOneMatch(Faulty):
    """Stops looking at the first event that matches."""

    caught_by: ClassVar[type[Suite]] = Unless

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        return [
            Conflict(o.expected, o.actual, o.events[:1]) if isinstance(o, Conflict) else o
            for o in outcomes
        ]


class ConfusesNeighbours(Faulty):
    """Compares types only, so those with other tags are in conflict as well."""

    caught_by: ClassVar[type[Suite]] = Boundaries

    def commit(self, commit: Commit) -> Commit:
        if commit.unless is None or commit.unless.everything:
            return commit
        items = [replace(i, tags=frozenset()) if i.types else i for i in commit.unless.items]
        return changed(commit, unless=EventQuery(tuple(items)))


def _first(expected: Mapping[str, int], number: int) -> dict[str, int]:
    return dict(list(expected.items())[:number])


def _ahead(conflict: Conflict) -> bool:
    """Whether a stream was expected beyond its end."""
    return any(v > conflict.actual[s] for s, v in conflict.expected.items())
