"""A store that passes everything on, for faults to change."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

import msgspec

from whence.store import Commit, EventQuery, EventStore, Outcome, Page
from whence.testing.conformance import OpenStore, Suite


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


def changed(commit: Commit, **changes: Any) -> Commit:
    """``commit``, but for what is given."""
    return msgspec.structs.replace(commit, **changes)
