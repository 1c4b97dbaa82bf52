"""What a subscriber to the log promises.

Each keeps how far it has come beside what it makes of the events, so that both change together.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from whence.letters import Letters
from whence.slices import Mark, Share
from whence.status import Standing, Wanted
from whence.store import EventQuery, EventStore, Page


class Overtaken(Exception):
    """Somebody else has moved the checkpoint: read it again, and go on from there."""


class Finished(Exception):
    """There is no such build any more: somebody else has finished it, or cancelled it."""


class Halted(Exception):
    """People do not want it to run."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted)
        self.wanted: Wanted = wanted


class Superseded(Exception):
    """What is there was made by other code, which runs somewhere else by now."""


class Follower(Protocol):
    """Takes the log page by page."""

    @property
    def name(self) -> str:
        """Under which its progress is kept."""
        ...

    @property
    def query(self) -> EventQuery:
        """Which part of the log it takes."""
        ...

    @property
    def at_once(self) -> int:
        """How many events it likes to get at once, as long as there are more."""
        ...

    @property
    def patience(self) -> float:
        """Seconds after which progress that was not written is saved, at the latest."""
        ...

    async def marks(self) -> Mapping[int, Mark]:
        """How far each slice has come, as it is kept. Raises `Halted` or `Superseded`."""
        ...

    async def apply(self, page: Page, share: Share) -> bool:
        """Handle what of ``page`` is for ``share``, and move it to its end, both or neither.

        False: nothing was written; `save` will do that.
        Raises `Overtaken` if a slice is not where ``share`` has it any more, and whatever `marks`
        raises.
        """
        ...

    async def save(self, position: int, share: Share) -> None:
        """Keep what was handled, and move ``share`` to ``position``. Raises like `apply`."""
        ...


class Build(Follower, Protocol):
    """Makes what a subscriber keeps anew, from the first event on.

    Its `marks` raises `Finished` when somebody else has brought it to its end.
    """

    @property
    def in_place(self) -> bool:
        """It empties what is there: those who follow the log fill it again."""
        ...

    @property
    def generation(self) -> int:
        """Which one it makes; 0 in place. When that is there, it is finished, by whomever."""
        ...

    async def switch(self) -> bool:
        """Put the new in the place of the old. False: not yet; catch up and try again.

        Raises `Overtaken` or `Finished` if somebody else was faster.
        """
        ...


class Controls(Protocol):
    """What people can do with a subscriber, in whatever process."""

    async def want(self, wanted: Wanted) -> None:
        """Say what is wanted. When this returns, everybody keeps to it."""
        ...

    async def rewind(self, store: EventStore, position: int) -> None:
        """Handle what is in ``store`` after ``position`` once more."""
        ...

    async def cancel(self) -> bool:
        """Break off a rebuild. False: there is none."""
        ...

    async def roll_back(self) -> bool:
        """Go back to the generation before. False: it is not there any more."""
        ...

    async def clean(self) -> bool:
        """Drop the generation before. False: it is not there any more."""
        ...

    async def drop(self) -> None:
        """Remove everything that it has made."""
        ...


class Subscriber(Follower, Protocol):
    """A follower whose work can be made anew."""

    @property
    def shape(self) -> str:
        """A hash of the code that makes what it keeps."""
        ...

    @property
    def controls(self) -> Controls:
        """What people can do with it."""
        ...

    def letters(self, store: EventStore) -> Letters:
        """Its dead letters, whose events are in ``store``."""
        ...

    async def start(self) -> Build | None:
        """Get ready. What is returned must be finished before anything else.

        That is a rebuild that was broken off, or one that is needed because what is there was
        made by other code. Raises `Halted`.
        """
        ...

    async def rebuild(self, head: int) -> Build:
        """Begin to make everything anew; the log ends at ``head``. Raises `Halted`."""
        ...

    async def building(self) -> Build | None:
        """A rebuild that is under way with the code of this process; None: there is none."""
        ...

    async def checkpoint(self) -> int:
        """How far all of it has come, as it is kept; 0 if nothing is there yet."""
        ...

    async def standing(self) -> Standing | None:
        """What is kept about it; None: nothing is there yet."""
        ...

    async def missing(self) -> Sequence[str]:
        """Its tables that should be there and are not: somebody has dropped them by hand."""
        ...

    async def note(self, problem: str | None) -> None:
        """Say why it stands still, for those who look from another process; None: it does not."""
        ...
