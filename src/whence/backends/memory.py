"""The event store in a process's memory: for tests, examples, and as the model of the others."""

import asyncio
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from threading import Lock

from whence.envelope import Recorded
from whence.errors import Conflict
from whence.snapshots import Snapshot
from whence.store import (
    MOST_CONFLICTING,
    PAGE_EVENTS,
    Appended,
    Commit,
    EventQuery,
    Outcome,
    Page,
    check_read,
)


class MemoryStore:
    """An event store that forgets when the process ends."""

    def __init__(self) -> None:
        self._log: list[Recorded] = []  # the event at position p is self._log[p - 1]
        self._streams: defaultdict[str, list[Recorded]] = defaultdict(list)
        self._commits: dict[str, Appended] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._lock = Lock()  # one store may serve several threads, each with its own loop

    async def __aenter__(self) -> "MemoryStore":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        """See `EventStore.append`."""
        with self._lock:
            outcomes = [self._store(commit) for commit in commits]
        for waiting in tuple(self._waiting):
            with suppress(RuntimeError):  # that loop has ended
                waiting.get_loop().call_soon_threadsafe(_wake, waiting)
        return outcomes

    async def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        """See `EventStore.read`."""
        check_read(after, limit)
        while True:
            most = PAGE_EVENTS if limit is None else min(limit, PAGE_EVENTS)
            with self._lock:  # no commit is seen half
                page, finished = self._page(query, after, backwards, most)
            yield page
            limit = None if limit is None else limit - len(page.events)
            if finished or limit == 0:
                return
            after = page.scanned

    async def head(self) -> int:
        """See `EventStore.head`."""
        with self._lock:
            return len(self._log)

    async def wait(self, after: int, timeout: float) -> None:
        """See `EventStore.wait`."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            if len(self._log) <= after:
                with suppress(TimeoutError):
                    # not wait_for: in Python 3.11 that may swallow a cancellation
                    async with asyncio.timeout(timeout):
                        await waiting
        finally:
            self._waiting.discard(waiting)

    def _store(self, commit: Commit) -> Outcome:
        if first := self._commits.get(commit.id):
            return Appended(first.position, first.versions, duplicate=True)
        if conflict := self._conflict(commit):
            return conflict
        versions: dict[str, int] = {}
        for ordinal, event in enumerate(commit.events):
            stream = self._streams[event.stream]
            version = len(stream) + 1 if event.stream else 0
            recorded = Recorded(
                len(self._log) + 1, event.stream, version, event.type, event.data,
                event.tags, event.metadata, event.micros, commit.id, ordinal,
            )  # fmt: skip
            self._log.append(recorded)
            if event.stream:
                stream.append(recorded)
                versions[event.stream] = version
        self._commits[commit.id] = appended = Appended(len(self._log), versions)
        return appended

    def _conflict(self, commit: Commit) -> Conflict | None:
        versions = {name: len(self._streams.get(name, ())) for name in commit.expected}
        moved = {name: at for name, at in versions.items() if at != commit.expected[name]}
        if moved:
            between = [
                event
                for name in moved
                for event in self._streams.get(name, ())[commit.expected[name] :]
            ]
            between.sort(key=lambda event: event.position)
            expected = {name: commit.expected[name] for name in moved}
            return Conflict(expected, moved, between[:MOST_CONFLICTING])
        if commit.unless is None:
            return None
        found = [e for e in self._log[commit.after :] if commit.unless.matches(e)]
        return Conflict({}, {}, found[:MOST_CONFLICTING]) if found else None

    def _page(
        self, query: EventQuery, after: int, backwards: bool, most: int
    ) -> tuple[Page, bool]:
        head, log = len(self._log), self._narrowest(query)
        if backwards:
            end = bisect_left(log, after, key=_position) if after else len(log)
            path = range(end - 1, -1, -1)
        else:
            path = range(bisect_right(log, after, key=_position), len(log))
        events: list[Recorded] = []
        for index in path:
            if len(events) == most:
                return Page(events, events[-1].position), False
            if query.matches(log[index]):
                events.append(log[index])
        return Page(events, 1 if backwards else max(after, head)), True

    def _narrowest(self, query: EventQuery) -> list[Recorded]:
        """A part of the log that holds all that can match."""
        if len(query.items) == 1 and query.items[0].stream is not None:
            return self._streams.get(query.items[0].stream, [])
        return self._log


def _position(event: Recorded) -> int:
    return event.position


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


class MemorySnapshots:
    """See `whence.snapshots.Snapshots`."""

    def __init__(self) -> None:
        self._kept: dict[str, Snapshot] = {}

    async def load(self, stream: str, shape: str) -> Snapshot | None:
        """See `Snapshots.load`."""
        found = self._kept.get(stream)
        return found if found and found.shape == shape else None

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        """See `Snapshots.save`."""
        self._kept[stream] = snapshot
