"""Reading the log for a fold: some events at a time, so that others get their turn."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from typing import Any, cast

from whence.envelope import Recorded
from whence.folds import NOTHING, Fold, Skipped, Step, unstuck
from whence.messages import describe
from whence.store import ALL, EventQuery, EventStore, Item, Page, bare
from whence.walking import sooner

_PIECE = 200
"""Events that are folded before others get their turn."""


async def pages(
    store: EventStore,
    fold: Fold[Any],
    after: int,
    until: int,
    skipped: Skipped = NOTHING,
    *,
    query: EventQuery | None = None,
    whole: bool = False,
) -> AsyncIterator[tuple[Sequence[Step], int]]:
    """Page by page what touches any row after ``after``, and how far that was looked for.

    Among the events that ``query`` finds, if it is given. They are bare unless they are wanted
    ``whole``. Raises the error of the first event that cannot be read.
    """
    async with aclosing(pieces(store, fold, after, until, query=query, whole=whole)) as found:
        async for events, scanned in found:
            with unstuck():
                steps = fold.reading(events, skipped)
            yield steps, scanned


async def pieces(
    store: EventStore,
    fold: Fold[Any],
    after: int,
    until: int,
    *,
    query: EventQuery | None = None,
    whole: bool = False,
) -> AsyncGenerator[tuple[Sequence[Recorded], int]]:
    """The same before it is read: the events, some at a time."""
    if query is None:
        words = frozenset(word for event in fold.spec.evolvers for word in describe(event).words)
        query = ALL if fold.spec.follows else EventQuery((Item(words),))
    if until <= after:
        return
    log = cast(AsyncGenerator[Page], store.read(query if whole else bare(query), after=after))
    async with aclosing(sooner(log, store)) as found:
        async for page in found:
            for events, scanned in _pieces(*up_to(page, until)):
                yield events, scanned
                if scanned == until:
                    return
                await asyncio.sleep(0)  # others get their turn, as whoever fetches the next


def _pieces(events: Sequence[Recorded], scanned: int) -> Iterator[tuple[Sequence[Recorded], int]]:
    """A page in pieces, each with how far it goes; at least one."""
    for start in range(0, len(events) - _PIECE, _PIECE):
        some = events[start : start + _PIECE]
        yield some, some[-1].position
    yield events[(len(events) - 1) // _PIECE * _PIECE :], scanned


def up_to(page: Page, until: int | None) -> tuple[Sequence[Recorded], int]:
    """The events of ``page`` up to a position, and how far it then goes."""
    if until is None or page.scanned < until:
        return page.events, page.scanned
    return [event for event in page.events if event.position <= until], until
