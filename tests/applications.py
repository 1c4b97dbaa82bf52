"""What is done to an open application from outside, and what an honest fold makes of its log."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from whence import App
from whence.envelope import NewEvent, new_id
from whence.folds import Fold
from whence.readmodels import ReadModelSpec
from whence.status import Status
from whence.store import ALL, Appended, Commit
from whence.subscriptions import Subscription


def new(type: str, stream: str, data: Mapping[str, object]) -> NewEvent:
    """An event that no command has led to."""
    return NewEvent(type, json.dumps(data).encode(), stream)


async def append(app: App, *events: NewEvent) -> int:
    """Store each event in a commit of its own, all in one call; the position of the last."""
    outcomes = await app.running.store.append([Commit(new_id(), [event]) for event in events])
    last = outcomes[-1]
    assert isinstance(last, Appended)
    return last.position


def subscription(app: App, name: str | None = None) -> Subscription:
    """The first one, if it has no ``name``."""
    known = app.running.reads.subscriptions.by_name
    return known[name or next(iter(known))]


async def caught_up(app: App, name: str | None = None) -> None:
    await subscription(app, name).reached(await app.running.store.head(), 30)


async def status(app: App, name: str | None = None) -> Status:
    return await subscription(app, name).status()


async def folded(
    app: App, spec: ReadModelSpec[Any], without: Collection[int] = ()
) -> dict[Any, Any]:
    """The rows that the log makes, in memory, ``without`` the events at these positions."""
    fold: Fold[Any] = Fold(spec, app.wiring.events)
    made: dict[Any, Any] = {}
    async for page in app.running.store.read(ALL):
        events = [event for event in page.events if event.position not in without]
        fold.apply(fold.read(fold.concerning(events)), made)
    return {key: fold.copied(row) for key, row in made.items() if row is not None}


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until ``condition`` holds."""
    for _ in range(1_500):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError
