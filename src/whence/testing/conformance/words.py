"""The few words that the suite is written in."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import pytest
import pytest_asyncio

from whence.envelope import NewEvent, Recorded
from whence.errors import Conflict
from whence.store import PAGE_EVENTS, Appended, Commit, EventQuery, EventStore, Outcome, Page

MANY = 2 * PAGE_EVENTS + 100
"""Events that fill several pages."""

OpenStore = Callable[[], AbstractAsyncContextManager[EventStore]]
"""Opens one more handle on the same data, in ``async with``."""


@pytest.mark.asyncio
class Suite:
    """What all promises have in common. A backend provides the fixture ``open_store``.

    That is an `OpenStore`: it opens the data of one test, which are empty at first.
    """

    @pytest_asyncio.fixture
    async def store(self, open_store: OpenStore) -> AsyncIterator[EventStore]:
        """One handle, open during the test."""
        async with open_store() as store:
            yield store


def event(type: str = "happened", stream: str = "", *tags: str, data: bytes = b"{}") -> NewEvent:
    """An event where only what matters is said."""
    return NewEvent(type, data, stream, tags)


def commit(
    *events: NewEvent,
    id: str | None = None,
    expected: Mapping[str, int] | None = None,
    unless: EventQuery | None = None,
    after: int = 0,
) -> Commit:
    """A commit with an id that nobody else has."""
    return Commit(id or uuid4().hex, events, expected or {}, unless, after)


def happened(stream: str, times: int = 1, *, expected: int | None = None) -> Commit:
    """Nothing special, in ``stream``, which must be at version ``expected`` if that is given."""
    at = {} if expected is None else {stream: expected}
    return commit(*[event(stream=stream)] * times, expected=at)


async def append(store: EventStore, *events: NewEvent) -> Appended:
    """Store ``events`` without a condition, in one commit."""
    return stored(await outcome(store, commit(*events)))


async def outcome(store: EventStore, commit: Commit) -> Outcome:
    """What becomes of one commit."""
    (outcome,) = await store.append([commit])
    return outcome


def stored(outcome: Outcome) -> Appended:
    """It must have been stored."""
    assert isinstance(outcome, Appended), outcome
    return outcome


def refused(outcome: Outcome) -> Conflict:
    """It must have been refused."""
    assert isinstance(outcome, Conflict), outcome
    return outcome


async def collect(pages: AsyncIterator[Page]) -> list[Recorded]:
    """All events of all pages."""
    return [event async for page in pages for event in page.events]


async def types(pages: AsyncIterator[Page]) -> list[str]:
    """Only what kind of events they are: most tests compare nothing else."""
    return [event.type for event in await collect(pages)]


async def write_many(store: EventStore) -> None:
    """As many events that are ``even``, in every respect, as are not."""
    even = NewEvent("even", b"{}", "even", ("even:1", "both:1"))
    odd = NewEvent("odd", b"{}", "odd", ("odd:1", "both:1"))
    await store.append([commit(*[even, odd] * 50) for _ in range(MANY // 50)])
