"""Why a row is as it is: the events that made it, newest first, each with what it changed."""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from whence.codec import Codec
from whence.folds import NOTHING, Fold, Skipped
from whence.history import Changed, Past
from whence.readmodels import ReadModel
from whence.store import EventStore
from whence.temporal import differing
from whence.tracing import Growing, Trace

R = TypeVar("R", bound=ReadModel)

Kept = Callable[[Any], Awaitable[tuple[R, int] | None]]
"""Looks up the row of a key, and the position of the last event in it; None: it is not kept."""


@dataclass(frozen=True, slots=True)
class Reason(Past):
    """One event that changed a row: what it changed, who caused it, and when."""

    changes: tuple[Changed, ...]
    """The columns that it changed. All of them, if it made the row or deleted it."""

    @property
    def type(self) -> str:
        """The name that the event is stored under."""
        return self.recorded.type

    @property
    def stream(self) -> str:
        """The stream it belongs to; empty: to none."""
        return self.recorded.stream

    @property
    def by(self) -> str | None:
        """Who sent the command, if that was said."""
        return self.about.get("by")

    @property
    def command(self) -> str | None:
        """The type of the command that it comes from, if it comes from one."""
        return self.about.get("command")

    @property
    def command_id(self) -> str:
        """The id of the command: that of the commit that it came with."""
        return self.recorded.commit_id

    @property
    def correlation(self) -> str | None:
        """What belongs together, as the sender said."""
        return self.about.get("correlation")

    @property
    def causation(self) -> str | None:
        """What caused the command, as the sender said."""
        return self.about.get("causation")


class Explanation(Generic[R]):
    """Finds the reasons of one row."""

    def __init__(
        self,
        store: EventStore,
        events: Codec,
        fold: Fold[R],
        kept: Kept[R],
        skipped: Skipped = NOTHING,
    ) -> None:
        self._store, self._events, self._fold = store, events, fold
        self._kept, self._skipped = kept, skipped

    async def why(
        self, key: Any, column: str | None = None, limit: int | None = None
    ) -> list[Reason]:
        """The reasons of the row of ``key``, or of one column, newest first; the latest ``limit``.

        What the streams and tags tell must explain the row that is kept; if it does not, events
        of the row's types are somewhere else too, and all of them are looked at.
        """
        if column is not None:
            self._fold.spec.column(column)
        if limit is not None and limit < 1:
            raise ValueError(f"the latest {limit} reasons are none: a limit is 1 or more")
        kept = await self._kept(key)
        reasons, explained = await self._reasons(self._trace(key), kept, column, limit)
        wide = self._trace(key, wide=True)
        if not explained and wide.query != self._trace(key).query:
            reasons, _ = await self._reasons(wide, kept, column, limit)
        return reasons

    def _trace(self, key: Any, *, wide: bool = False) -> Trace[R]:
        return Trace(self._store, self._fold, key, self._skipped, wide=wide)

    async def _reasons(
        self, trace: Trace[R], kept: tuple[R, int] | None, column: str | None, limit: int | None
    ) -> tuple[list[Reason], bool]:
        """The reasons that ``trace`` finds, and whether they lead to the row that is ``kept``."""
        found = deque[Reason](maxlen=limit)
        growing, before, explained = Growing(self._fold, trace.key), None, kept is None
        async for steps, _ in trace.steps():
            for step in steps:
                growing.grow((step,))
                after = growing.now
                if changes := differing(self._fold.spec, before, after, column):
                    found.append(Reason(step[0], self._events.decode(step[0]), changes))
                before = after
                if kept is not None and step[0].position == kept[1]:
                    explained = after == kept[0]
        return list(reversed(found)), explained
