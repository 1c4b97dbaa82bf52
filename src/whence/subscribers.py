"""What a subscriber to the log promises, and how it is led along the log.

Each keeps how far it has come beside what it makes of the events, so that both change together.
"""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Protocol

from whence.store import EventQuery, EventStore, Page

SAVE = 0.1
"""Progress over events that concern nobody is saved this many seconds later at the latest."""


class Overtaken(Exception):
    """Somebody else has moved the checkpoint: read it again, and go on from there."""


class Finished(Exception):
    """Somebody else has finished this build: there is nothing left to do."""


class Follower(Protocol):
    """Takes the log page by page."""

    @property
    def query(self) -> EventQuery:
        """Which part of the log it takes."""
        ...

    async def checkpoint(self) -> int:
        """The position up to which everything is handled and kept."""
        ...

    async def apply(self, page: Page, after: int) -> bool:
        """Handle ``page`` and move the checkpoint from ``after`` to its end, both or neither.

        False: nothing in it concerns this one, and nothing was written.
        Raises `Overtaken` if the checkpoint is not at ``after`` any more.
        """
        ...

    async def save(self, position: int, after: int) -> None:
        """Move the checkpoint from ``after`` to ``position``. Raises `Overtaken` likewise."""
        ...


class Build(Follower, Protocol):
    """Makes what a subscriber keeps anew, from the first event on.

    Its `checkpoint` raises `Finished` when somebody else has brought it to its end.
    """

    @property
    def in_place(self) -> bool:
        """It works on what is there, so nobody else may follow the log into it meanwhile."""
        ...

    async def switch(self) -> bool:
        """Put the new in the place of the old. False: the old is ahead; catch up and try again.

        Raises `Overtaken` or `Finished` if somebody else was faster.
        """
        ...


class Subscriber(Follower, Protocol):
    """A follower whose work can be made anew."""

    @property
    def name(self) -> str:
        """Unique among those that keep their checkpoints in one place."""
        ...

    async def start(self) -> Build | None:
        """Get ready. What is returned must be finished before anything else.

        That is a rebuild that was broken off, or one that is needed because what is there was
        made by other code.
        """
        ...

    async def rebuild(self) -> Build:
        """Begin to make everything anew."""
        ...

    async def problem(self) -> str | None:
        """Why it stands still, as it was noted; None if it does not."""
        ...

    async def note(self, problem: str) -> None:
        """Say why it stands still, for those who look from another process."""
        ...


class Walk:
    """A follower's way along the log: what is handled, and what of it is saved."""

    def __init__(self, follower: Follower, store: EventStore) -> None:
        self.position = 0
        self._follower = follower
        self._store = store
        self._saved = 0
        self._saved_at = 0.0

    async def begin(self) -> None:
        """Go to the checkpoint."""
        self._save_is_at(await self._follower.checkpoint())

    async def pages(self) -> AsyncIterator[Page]:
        """Every page from here to the head, each after it was handled."""
        follower = self._follower
        async for page in self._store.read(follower.query, after=self.position):
            if await follower.apply(page, self._saved):
                self._save_is_at(page.scanned)
            else:
                self.position = page.scanned
                await self.save(SAVE)
            yield page

    async def save(self, at_least: float = 0.0) -> None:
        """Save the progress, if there is any that is so many seconds old."""
        if self.unsaved and monotonic() - self._saved_at >= at_least:
            await self._follower.save(self.position, self._saved)
            self._save_is_at(self.position)

    @property
    def unsaved(self) -> bool:
        """Whether there is progress that is not saved."""
        return self._saved < self.position

    def _save_is_at(self, position: int) -> None:
        self.position = self._saved = position
        self._saved_at = monotonic()
