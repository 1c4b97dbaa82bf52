"""Stores that are wrong on purpose: what the conformance suite must be able to catch.

Each is one small fault around a store that is right. ``caught_by`` names the promise that must
fail. `first_failure` runs a promise without pytest and says which test failed first, so a
backend's own tests can try faults of their own kind as well.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, ClassVar

import msgspec

from whence.envelope import NewEvent, Recorded
from whence.errors import Conflict, Unknown
from whence.store import (
    ALL,
    MOST_CONFLICTING,
    Appended,
    Commit,
    EventQuery,
    EventStore,
    Item,
    Outcome,
    Page,
)
from whence.testing.conformance import (
    Appending,
    Boundaries,
    ExpectedVersions,
    HeadAndWaiting,
    Idempotency,
    Neighbours,
    NothingLost,
    NothingMissed,
    OpenStore,
    Paging,
    Selecting,
    Suite,
    Unless,
)

_PATIENCE = 20
"""Seconds. A test that takes longer has caught something."""


def first_failure(promise: type[Suite], fresh: Callable[[], OpenStore]) -> str | None:
    """The name of the first test of ``promise`` that fails; ``fresh`` opens data for each."""
    names = [name for cls in reversed(promise.mro()) for name in vars(cls)]
    for name in dict.fromkeys(names):
        if name.startswith("test_"):
            running = _run(getattr(promise, name), promise(), fresh())
            try:
                asyncio.run(asyncio.wait_for(running, _PATIENCE))
            except (Exception, asyncio.CancelledError):
                return name
    return None


async def _run(test: Callable[..., Any], suite: Suite, open_store: OpenStore) -> None:
    fixtures: dict[str, object] = {}
    wanted = inspect.signature(test).parameters
    if "open_store" in wanted:
        fixtures["open_store"] = open_store
    if "store" not in wanted:
        await test(suite, **fixtures)
        return
    async with open_store() as store:
        await test(suite, store=store, **fixtures)


class Faulty:
    """A store that does right, as far as it is not told to do wrong."""

    caught_by: ClassVar[type[Suite]]

    def __init__(self, open_store: OpenStore) -> None:
        self._opening: AbstractAsyncContextManager[EventStore] = open_store()
        self._right: EventStore

    async def __aenter__(self) -> EventStore:
        self._right = await self._opening.__aenter__()
        return self

    async def __aexit__(self, *reason: Any) -> None:
        await self._opening.__aexit__(*reason)

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        """See `EventStore.append`."""
        return await self._right.append([self.commit(commit) for commit in commits])

    async def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        """See `EventStore.read`."""
        query = self.query(query)
        async for page in self._right.read(query, after=after, backwards=backwards, limit=limit):
            yield await self.page(page, backwards)

    async def head(self) -> int:
        """See `EventStore.head`."""
        return await self._right.head()

    async def wait(self, after: int, timeout: float) -> None:
        """See `EventStore.wait`."""
        await self._right.wait(after, timeout)

    def commit(self, commit: Commit) -> Commit:
        """What is stored in place of ``commit``."""
        return commit

    def query(self, query: EventQuery) -> EventQuery:
        """What is asked in place of ``query``."""
        return query

    async def page(self, page: Page, backwards: bool) -> Page:
        """What is delivered in place of ``page``."""
        return page


def _with(commit: Commit, **changes: Any) -> Commit:
    return msgspec.structs.replace(commit, **changes)


def _first(expected: Mapping[str, int], number: int) -> dict[str, int]:
    return dict(list(expected.items())[:number])


# Versions


class ForgetsVersions(Faulty):
    """Does not compare versions at all."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    def commit(self, commit: Commit) -> Commit:
        return _with(commit, expected={})


class ChecksWhatItWrites(Faulty):
    """Does not compare the versions of streams that are only checked."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    def commit(self, commit: Commit) -> Commit:
        written = {event.stream for event in commit.events}
        expected = {s: v for s, v in commit.expected.items() if s in written}
        return _with(commit, expected=expected)


class ChecksOneStream(Faulty):
    """Compares the version of the first stream only."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    def commit(self, commit: Commit) -> Commit:
        return _with(commit, expected=_first(commit.expected, 1))


class BelievesTheFuture(Faulty):
    """Takes a version that is not reached yet for a good one."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await self._right.append(commits)
        for n, outcome in enumerate(outcomes):
            if isinstance(outcome, Conflict) and _ahead(outcome):
                outcomes[n : n + 1] = await self._right.append([_with(commits[n], expected={})])
        return outcomes


class ChecksTooEarly(Faulty):
    """Compares versions and asks the query before the write lock is taken."""

    caught_by: ClassVar[type[Suite]] = ExpectedVersions

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for commit in commits:
            conflict = await self._conflict(commit)
            await asyncio.sleep(0)
            bare = _with(commit, expected={}, unless=None)
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


# Queries as conditions


class ForgetsQueries(Faulty):
    """Stores whatever the query of the condition finds."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return _with(commit, unless=None)


class RemembersTooMuch(Faulty):
    """Looks for matches in the whole log, also before the position that was seen."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return _with(commit, after=0)


class SeesTheLastAgain(Faulty):
    """Takes the position that was seen for one that was not."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return _with(commit, after=max(commit.after - 1, 0))


class MissesTheFirst(Faulty):
    """Does not look at the first event after the position that was seen."""

    caught_by: ClassVar[type[Suite]] = Unless

    def commit(self, commit: Commit) -> Commit:
        return _with(commit, after=commit.after + 1)


class ConfusesNeighbours(Faulty):
    """Compares types only, so those with other tags are in conflict as well."""

    caught_by: ClassVar[type[Suite]] = Boundaries

    def commit(self, commit: Commit) -> Commit:
        if commit.unless is None or commit.unless.everything:
            return commit
        items = [replace(i, tags=frozenset()) if i.types else i for i in commit.unless.items]
        return _with(commit, unless=EventQuery(tuple(items)))


# Identity


class StoresTwice(Faulty):
    """Does not know an id again."""

    caught_by: ClassVar[type[Suite]] = Idempotency

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__(open_store)
        self._number = 0

    def commit(self, commit: Commit) -> Commit:
        self._number += 1
        return _with(commit, id=f"{commit.id}-{self._number}")


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
        return _with(commit, events=events)


class SortsTags(Faulty):
    """Keeps the tags in an order of its own."""

    caught_by: ClassVar[type[Suite]] = Appending

    def commit(self, commit: Commit) -> Commit:
        events = [
            NewEvent(e.type, e.data, e.stream, tuple(sorted(e.tags)), e.metadata, e.micros)
            for e in commit.events
        ]
        return _with(commit, events=events)


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


# Queries


class AnyTag(Faulty):
    """Takes one of the tags of an item for all of them."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def query(self, query: EventQuery) -> EventQuery:
        items = [
            replace(item, tags=frozenset(tags))
            for item in query.items
            for tags in ([[tag] for tag in item.tags] or [[]])
        ]
        return EventQuery(tuple(items)) if items else query


class FirstItem(Faulty):
    """Asks for the first item of a query only."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def query(self, query: EventQuery) -> EventQuery:
        return EventQuery(query.items[:1]) if query.items else query


class ForgetsTypes(Faulty):
    """Finds all that has the tags, of whatever type."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def query(self, query: EventQuery) -> EventQuery:
        items = [
            Item(frozenset(), i.tags, i.stream, i.commit_id) if i.tags else i for i in query.items
        ]
        return EventQuery(tuple(items)) if items else query


class RepeatsMatches(Faulty):
    """Delivers an event once for each item that it matches."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__(open_store)
        self._asked = ALL

    def query(self, query: EventQuery) -> EventQuery:
        self._asked = query
        return query

    async def page(self, page: Page, backwards: bool) -> Page:
        events = [
            event
            for event in page.events
            for item in (self._asked.items or (None,))
            if item is None or item.matches(event)
        ]
        return Page(events, page.scanned)


class IgnoresCase(Faulty):
    """Takes streams for the same that differ in capitals only."""

    caught_by: ClassVar[type[Suite]] = Selecting

    def commit(self, commit: Commit) -> Commit:
        events = [
            NewEvent(e.type, e.data, e.stream.lower(), e.tags, e.metadata, e.micros)
            for e in commit.events
        ]
        return _with(commit, events=events)

    def query(self, query: EventQuery) -> EventQuery:
        items = [replace(i, stream=i.stream.lower()) if i.stream else i for i in query.items]
        return EventQuery(tuple(items)) if items else query


# Pages


class ClaimsTheEnd(Faulty):
    """Every page claims that all there is was scanned."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events, 1 if backwards else await self._right.head())


class ClaimsOneMore(Faulty):
    """Every page claims one position more than was scanned."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events, max(page.scanned - 1, 1) if backwards else page.scanned + 1)


class ClaimsOnlyMatches(Faulty):
    """A page never claims more than its last event, so a checkpoint never gets to the end."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events, page.events[-1].position if page.events else 0)


class _Reads(Faulty):
    caught_by: ClassVar[type[Suite]] = Paging

    async def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        after, backwards, asked = self.where(after, backwards), self.direction(backwards), limit
        async for page in self._right.read(
            query, after=after, backwards=backwards, limit=self.most(limit)
        ):
            yield Page(page.events[:asked], page.scanned)

    def where(self, after: int, backwards: bool) -> int:
        return after

    def direction(self, backwards: bool) -> bool:
        return backwards

    def most(self, limit: int | None) -> int | None:
        return limit


class StartsOneEarly(_Reads):
    """Delivers the event at the position after which it was asked."""

    def where(self, after: int, backwards: bool) -> int:
        return after if backwards else max(after - 1, 0)


class StartsOneLateBackwards(_Reads):
    """Backwards, delivers the event at the position before which it was asked."""

    def where(self, after: int, backwards: bool) -> int:
        return after + 1 if backwards and after else after


class NeverGoesBackwards(_Reads):
    """Reads forwards, whatever it is asked."""

    def direction(self, backwards: bool) -> bool:
        return False


class LimitsEachPage(_Reads):
    """Takes the limit of a read for the limit of a page."""

    def most(self, limit: int | None) -> int | None:
        return None


class ReversesPages(Faulty):
    """Each page is in the right place and upside down."""

    caught_by: ClassVar[type[Suite]] = Paging

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page(page.events[::-1], page.scanned)


# Order and time


class ShowsLate(Faulty):
    """Shows an event only after others that come behind it."""

    caught_by: ClassVar[type[Suite]] = Boundaries

    async def page(self, page: Page, backwards: bool) -> Page:
        late = await self._right.head() - 1
        return Page([e for e in page.events if e.position != late or late % 3], page.scanned)


class ShowsLateToFollowers(ShowsLate):
    """The same, seen by one who follows."""

    caught_by: ClassVar[type[Suite]] = NothingMissed


class HeadLags(Faulty):
    """The head is where it was one event ago."""

    caught_by: ClassVar[type[Suite]] = HeadAndWaiting

    async def head(self) -> int:
        return max(await self._right.head() - 1, 0)


class SleepsThrough(Faulty):
    """Nobody who waits is woken."""

    caught_by: ClassVar[type[Suite]] = HeadAndWaiting

    async def wait(self, after: int, timeout: float) -> None:
        await asyncio.sleep(timeout)


BREAKAGES: tuple[type[Faulty], ...] = (
    ForgetsVersions,
    ChecksWhatItWrites,
    ChecksOneStream,
    BelievesTheFuture,
    ChecksTooEarly,
    ChecksQueriesTooEarly,
    HidesWhatCameBetween,
    ForgetsQueries,
    RemembersTooMuch,
    SeesTheLastAgain,
    MissesTheFirst,
    ConfusesNeighbours,
    StoresTwice,
    CallsItNew,
    JudgesBeforeItRemembers,
    KeepsHalf,
    FallsTogether,
    MixesUpAnswers,
    Divides,
    LosesMetadata,
    SortsTags,
    Miscounts,
    AnyTag,
    FirstItem,
    ForgetsTypes,
    RepeatsMatches,
    IgnoresCase,
    ClaimsTheEnd,
    ClaimsOneMore,
    ClaimsOnlyMatches,
    StartsOneEarly,
    StartsOneLateBackwards,
    NeverGoesBackwards,
    LimitsEachPage,
    ReversesPages,
    ShowsLate,
    HeadLags,
    SleepsThrough,
)
"""For every store."""

SHARED_BREAKAGES: tuple[type[Faulty], ...] = (AcknowledgesFirst, ShowsLateToFollowers)
"""For stores that other processes can open."""


def _ahead(conflict: Conflict) -> bool:
    """Whether a stream was expected beyond its end."""
    return any(v > conflict.actual[s] for s, v in conflict.expected.items())
