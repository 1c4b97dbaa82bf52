"""Bringing read models up to date before they answer: this process may be the only one."""

import asyncio
from collections.abc import Sequence

from whence.app import App
from whence.cli.exits import UsageError
from whence.cli.output import Output
from whence.errors import Behind
from whence.subscriptions import Subscription

_LOOK = 0.25
"""Seconds between two looks at how far it has come."""
_SOON = 0.005
"""Seconds that it takes to make a table, or the like."""
_PATIENCE = 5.0
"""Seconds without any progress after which waiting is given up."""


async def catch_up(
    app: App, names: Sequence[str], output: Output, after: int | None = None
) -> int:
    """Project the read models ``names`` up to ``after`` (default: the end of the log).

    Returns the position that all of them have reached. Raises `Behind` if one of them stands
    still, from the error that holds it up.
    """
    target = await app.running.store.head() if after is None else after
    patience = _patience(app)
    wanted = [app.running.reads.subscriptions.by_name[name] for name in names]
    for subscription in wanted:
        await subscription.start()
    for subscription in wanted:
        await _wait(subscription, target, patience, output)
    reached = [(await subscription.status()).position for subscription in wanted]
    return min(reached, default=target)


async def _wait(subscription: Subscription, target: int, patience: float, output: Output) -> None:
    # Until it has begun there is no table, not even an empty one.
    while (await subscription.status()).state == "new":  # noqa: ASYNC110, it sets no event
        await asyncio.sleep(_SOON)
    if await _reached(subscription, target):
        return
    shown, idle = (await subscription.status()).position, 0.0
    with output.progress(f"projecting {subscription.name}", target - shown) as advance:
        while not await _reached(subscription, target):
            status = await subscription.status()
            moving = status.position > shown or status.state == "rebuilding"
            idle = 0.0 if moving else idle + _LOOK
            if idle >= patience:
                raise Behind(subscription.name, target, status.position, idle)
            advance(status.position - shown)
            shown = status.position
        advance(target - shown)


async def _reached(subscription: Subscription, target: int) -> bool:
    """Whether it is there, after a short wait. Raises `Behind` if anything holds it up."""
    try:
        await subscription.reached(target, _LOOK)
    except Behind as behind:
        if behind.__cause__ is not None or behind.halted is not None:
            raise
        return False
    return True


def _patience(app: App) -> float:
    chosen = app.settings().get("timeout")
    if chosen is None:
        return _PATIENCE
    try:
        return float(chosen.value)
    except ValueError as error:
        raise UsageError(f"timeout is not a number: {chosen.value!r} ({chosen.source})") from error
