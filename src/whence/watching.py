"""Watching rows: each event that changes one reaches all who watch it, and none is left out.

All who watch in a process share one follower of the log. It is behind nobody's back: whoever is
slow, or begins, reads the log itself up to where the follower is.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from whence.envelope import Recorded
from whence.errors import WhenceError
from whence.folds import NOTHING, Fold, Skipped, Step, Stuck
from whence.readmodels import ReadModel
from whence.storable import same
from whence.store import ALL, EventQuery, EventStore
from whence.tasks import ended
from whence.tracing import Growing, Trace, query_of

R = TypeVar("R", bound=ReadModel)

_log = logging.getLogger("whence")

_MOST_WAITING = 1_000
"""Events of one row that wait for who watches it; of more than these, it reads the log itself."""
_WAIT = 5.0
"""Seconds after which the log is read again, even without a hint."""
_BACK_OFF = (0.1, 30.0)
"""Seconds between two attempts after an error, at first and at last."""


@dataclass(frozen=True, slots=True)
class Beginning(Generic[R]):
    """A row, and the position up to which all its events are in it."""

    row: R | None
    position: int
    left_out: Skipped = NOTHING
    problem: str | None = None
    """Why its events wait in the dead letters, if they do."""


class Watching:
    """The follower of the log, and all who watch in this process."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._groups: dict[str, _Group[Any]] = {}
        self._position = 0
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def watch(
        self, fold: Fold[R], key: Any, begin: Callable[[], Awaitable[Beginning[R]]]
    ) -> AsyncGenerator[R | None]:
        """The row of ``key`` as the log says now, then as each event leaves it that changes it.

        None: there is none. Raises the error of an event of the row that cannot be handled, and
        `WhenceError` after the first value if there was such an event before.
        """
        watcher = await self._join(fold, key)
        try:
            beginning = await begin()
            trace = Trace(self._store, fold, key, beginning.left_out)
            growing, position = Growing(fold, key, beginning.row), beginning.position
            async for steps, scanned in trace.steps(position):
                growing.grow(steps)
                position = scanned
            seen = growing.now
            yield seen
            if beginning.problem is not None:
                raise WhenceError(
                    f"the row of {key!r} in {fold.spec.name} cannot be watched: its events wait in"
                    f" the dead letters. {beginning.problem}"
                )
            async with aclosing(watcher.steps(trace, position)) as steps_to_come:
                async for step in steps_to_come:
                    growing.grow((step,))
                    if not same(now := growing.now, seen):
                        seen = now
                        yield now
        finally:
            self._leave(fold, key, watcher)

    @property
    def busy(self) -> bool:
        """Whether anybody watches."""
        return self._task is not None

    async def close(self) -> None:
        """End all that is watched."""
        self._closed = True
        for group in self._groups.values():
            for watcher in group.everybody():
                watcher.end()
        await self._stop()

    async def _join(self, fold: Fold[R], key: Any) -> "_Watcher":
        """From here on, whoever it is hears of every event of the row."""
        async with self._starting:
            if self._task is None:
                self._position = await self._store.head()
            if self._closed:  # perhaps meanwhile
                raise WhenceError("the application is not open: nothing can be watched")
            if self._task is None:
                self._task = asyncio.create_task(self._follow(), name="whence: watching")
        watcher = _Watcher(query_of(fold.spec, key))
        group = self._groups.setdefault(fold.spec.name, _Group(fold))
        group.watchers.setdefault(key, set()).add(watcher)
        return watcher

    def _leave(self, fold: Fold[Any], key: Any, watcher: "_Watcher") -> None:
        group = self._groups[fold.spec.name]
        group.watchers[key].discard(watcher)
        if not group.watchers[key]:
            del group.watchers[key]
        if not group.watchers:
            del self._groups[fold.spec.name]
        if not self._groups and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _follow(self) -> None:
        pause = _BACK_OFF[0]
        while True:
            try:
                async for page in self._store.read(ALL, after=self._position):
                    for group in self._groups.values():
                        group.deliver(page.events)
                    self._position = page.scanned
                pause = _BACK_OFF[0]
                await self._store.wait(self._position, _WAIT)
            except Exception as error:
                _log.warning("who watches must wait: %s", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _BACK_OFF[1])

    async def _stop(self) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            await ended(task)


class _Group(Generic[R]):
    """All who watch rows of one read model."""

    def __init__(self, fold: Fold[R]) -> None:
        self.fold = fold
        self.watchers: dict[Any, set[_Watcher]] = {}

    def everybody(self) -> Iterable["_Watcher"]:
        return [watcher for some in self.watchers.values() for watcher in some]

    def deliver(self, events: Iterable[Recorded]) -> None:
        """Hand each event to those whose row it touches."""
        concerning = self.fold.concerning(events)
        try:
            steps = self.fold.read(concerning)
        except Stuck:
            steps = self._readable(concerning)
        for step in steps:
            for key in step[3]:
                for watcher in self.watchers.get(key, ()):
                    watcher.put((step[0], step[1], step[2], (key,), step[4]))

    def _readable(self, events: Iterable[Recorded]) -> list[Step]:
        """Those that can be read. Who might miss one of the others is told of its error."""
        steps: list[Step] = []
        for event in events:
            try:
                steps += self.fold.read([event])
            except Stuck as stuck:
                for watcher in self.everybody():
                    watcher.fail(event, stuck.error)
        return steps


class _Watcher:
    """Somebody who watches one row, and what has not been taken yet."""

    def __init__(self, query: EventQuery | None) -> None:
        self._query = query
        self._waiting: list[Step | WhenceError] = []
        self._lost = self._ended = False
        self._news = asyncio.Event()

    def put(self, step: Step | WhenceError) -> None:
        """Say what happened. What is too much for it is left for it to read."""
        self._lost = self._lost or len(self._waiting) >= _MOST_WAITING
        if self._lost:
            self._waiting.clear()
        else:
            self._waiting.append(step)
        self._news.set()

    def fail(self, event: Recorded, error: WhenceError) -> None:
        """Say that ``event``, which may be one of the row's, cannot be read."""
        if self._query is not None and self._query.matches(event):
            self.put(error)

    def end(self) -> None:
        """Say that nothing more will come."""
        self._ended = True
        self._news.set()

    async def steps(self, trace: Trace[Any], position: int) -> AsyncGenerator[Step]:
        """What touches the row after ``position``, as it happens."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._ended:
                return
            if self._lost:
                self._lost = False
                async for steps, scanned in trace.steps(position):
                    for step in steps:
                        yield step
                    position = scanned
            some, self._waiting = self._waiting, []
            for one in some:
                if isinstance(one, WhenceError):
                    raise one
                if one[0].position > position:
                    yield one
                    position = one[0].position
