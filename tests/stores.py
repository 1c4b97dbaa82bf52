"""Stores in memory that see what is asked of them, or let somebody else go first."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, cast

from whence.backends.memory import MemoryStore
from whence.store import Appended, Commit, EventQuery, Outcome, Page


class Observed(MemoryStore):
    """Knows how often it was appended to, what it was asked, and how many events it gave."""

    def __init__(self) -> None:
        super().__init__()
        self.appends = 0
        self.reads: list[EventQuery] = []
        self.events = 0

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        self.appends += 1
        return await super().append(commits)

    async def read(self, query: EventQuery, **how: Any) -> AsyncIterator[Page]:
        self.reads.append(query)
        pages = cast(AsyncGenerator[Page], super().read(query, **how))
        async with aclosing(pages):
            async for page in pages:
                self.events += len(page.events)
                yield page


class Racing(MemoryStore):
    """Lets somebody else write just before the next append."""

    ahead: Commit | None = None

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        if self.ahead is not None:
            ahead, self.ahead = self.ahead, None
            (outcome,) = await super().append([ahead])
            assert isinstance(outcome, Appended)
        return await super().append(commits)
