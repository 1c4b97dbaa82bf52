"""What keeps a subscription from going on: an error, or what people want."""

import logging
from contextlib import suppress

from whence.errors import WhenceError
from whence.status import Wanted
from whence.subscribers import Subscriber, Superseded

log = logging.getLogger("whence")

_PAUSES = (0.1, 0.5, 2.0, 5.0, 10.0)
"""Seconds between two attempts after an error; the last one is repeated for ever."""


class Trouble:
    """Why a subscriber stands still, if it does.

    It is said in the log, and noted where those find it who look from another process.
    """

    def __init__(self, subscriber: Subscriber) -> None:
        self.error: Exception | None = None
        """What went wrong."""
        self.halted: Wanted | None = None
        """What people want of it, if that is not to run."""
        self._subscriber = subscriber
        self._failures = 0
        self._noted_well = False

    @property
    def pause(self) -> float:
        """Seconds until the next attempt: the more often it has failed, the longer."""
        return _PAUSES[min(self._failures, len(_PAUSES)) - 1]

    async def failed(self, error: Exception) -> None:
        """It cannot go on, but may after the next attempt."""
        news = str(error) != str(self.error)
        self.error, self._noted_well = error, False
        self._failures += 1
        if news:
            log.error("%s stands still: %s", self._subscriber.name, error, exc_info=error)
        with suppress(Exception):  # its database may be the very problem
            await self._subscriber.note(str(error))

    def superseded(self, error: Superseded) -> None:
        """Newer code has taken over what is there."""
        self.error = WhenceError(
            f"{self._subscriber.name} is led by other code now, another version of the"
            " application: this process does nothing more for it. Run the same version everywhere"
        )
        log.error("%s", self.error, exc_info=error)

    def halt(self, wanted: Wanted) -> None:
        """People want it to stand still, whatever was wrong before."""
        self.error, self.halted = None, wanted

    def over(self) -> None:
        """What kept it from going on has passed; whether all is well has to be seen."""
        self.error = self.halted = None

    async def goes_well(self) -> None:
        """It goes on. That is noted once."""
        if not self._noted_well:
            await self._subscriber.note(None)
            self.error, self._failures, self._noted_well = None, 0, True

    def forget(self) -> None:
        """Nobody leads it here any more, and others may note something else."""
        self._noted_well = False
