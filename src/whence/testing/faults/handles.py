"""Faults that show only where the same data is open more than once."""

from collections.abc import Sequence
from typing import ClassVar
from uuid import uuid4

from whence.store import Appended, Commit, EventStore, Outcome, Page
from whence.testing.conformance import Handles, OpenStore, Suite
from whence.testing.faults.faulty import Faulty, changed


class KnowsItsOwnIds(Faulty):
    """Knows only those commits again that it has stored itself."""

    caught_by: ClassVar[type[Suite]] = Handles

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__(open_store)
        self._handle = uuid4().hex

    def commit(self, commit: Commit) -> Commit:
        return changed(commit, id=f"{commit.id}-{self._handle}")


class TrustsItsMemory(Faulty):
    """Takes a stream to be where it has left it itself."""

    caught_by: ClassVar[type[Suite]] = Handles

    def __init__(self, open_store: OpenStore) -> None:
        super().__init__(open_store)
        self._left: dict[str, int] = {}

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await super().append(commits)
        for outcome in outcomes:
            if isinstance(outcome, Appended):
                self._left |= outcome.versions
        return outcomes

    def commit(self, commit: Commit) -> Commit:
        expected = {s: v for s, v in commit.expected.items() if self._left.get(s) != v}
        return changed(commit, expected=expected)


class SeesItsOwn(Faulty):
    """Shows what was there when it was opened, and what it has stored since."""

    caught_by: ClassVar[type[Suite]] = Handles

    async def __aenter__(self) -> EventStore:
        store = await super().__aenter__()
        self._end = await self._right.head()
        return store

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        outcomes = await super().append(commits)
        self._end = await self._right.head()
        return outcomes

    async def page(self, page: Page, backwards: bool) -> Page:
        return Page([e for e in page.events if e.position <= self._end], page.scanned)
