"""Where the time comes from, so that a test can say what time it is."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time. The domain never asks it: time reaches the domain inside messages."""

    def now(self) -> datetime:
        """The current moment, aware and in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, 9, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._now

    def advance(self, by: timedelta | None = None, **parts: float) -> datetime:
        """Move by ``by``, or by parts such as ``minutes=5``; return the new time."""
        self._now += timedelta(**parts) if by is None else by
        return self._now

    def set(self, moment: datetime) -> None:
        """Make it ``moment``."""
        self._now = moment
