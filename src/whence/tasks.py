"""Tasks that must come to their end: cancelled ones, and those that must not stay half done."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


async def ended(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel ``tasks``, and return when they have come to their end, whatever that is."""
    known = [task for task in tasks if task is not None]
    running = [task for task in known if not task.done()]
    for task in running:
        task.cancel()
    if running:
        # Awaiting a task itself would take a cancellation of ours for its own.
        await asyncio.wait(running)
    for task in known:
        if not task.cancelled():
            task.exception()  # else asyncio complains that nobody has looked at it


async def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """Await ``work`` to its end. Who is cancelled meanwhile is so only after that."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        raise
