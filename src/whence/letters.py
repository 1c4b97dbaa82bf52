"""Dead letters: the events that are parked, looked at, tried again and left out by people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from whence.envelope import Recorded


@dataclass(frozen=True, slots=True)
class DeadKey:
    """A key whose events wait."""

    projection: str
    key: str
    """The text of a row's key, or ``stream:`` and a stream."""
    events: int
    """How many wait."""
    position: int
    """Of the first one."""
    error: str
    """Why that one cannot be handled."""
    attempts: int
    """How often it was tried, the attempts before it was parked not counted."""
    since: datetime
    tried: datetime


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One event that waits."""

    recorded: Recorded
    error: str | None
    """Why it could not be handled; None: it waits behind another one."""


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of a key whose events were tried again."""

    projection: str
    key: str
    handled: int
    """Events that wait no more."""
    left: int
    """Events that still do."""
    error: str | None = None
    """Why the first of these cannot be handled."""


@dataclass(frozen=True, slots=True)
class Skip:
    """An event that somebody has left out, for ever and in every fold."""

    projection: str
    key: str
    position: int
    reason: str
    by: str
    at: datetime


class Letters(Protocol):
    """The dead letters of one projection."""

    async def keys(self) -> Sequence[DeadKey]:
        """The keys whose events wait, that first whose first event is first in the log."""
        ...

    async def events(self, key: str) -> Sequence[DeadEvent]:
        """The events of ``key`` that wait, in order. Raises `NotFound` if there are none."""
        ...

    async def retry(self, key: str, *, dry: bool = False) -> Retried:
        """Handle the events of ``key`` in order, with today's code, until one fails.

        ``dry``: only see what would become of them. Raises `NotFound` if none wait.
        """
        ...

    async def skip(self, key: str, reason: str, by: str) -> Retried:
        """Leave out the first event of ``key`` for ever, and go on with those behind it.

        Raises `NotFound` if none wait.
        """
        ...

    async def skipped(self) -> Sequence[Skip]:
        """What was left out."""
        ...
