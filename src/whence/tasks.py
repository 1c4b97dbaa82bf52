"""Ending what nobody waits for any more."""

import asyncio
from typing import Any


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
