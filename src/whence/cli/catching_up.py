"""Bringing read models up to date before they answer: this process may be the only one."""

from collections.abc import Sequence

from whence.app import App
from whence.cli.output import Output
from whence.errors import Behind

_LOOK = 0.25
"""Seconds between two looks at how far it has come."""
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
    reached = target
    for name in names:
        subscription = app.running.subscriptions.by_name[name]
        await subscription.start()
        await _wait(app, name, target, output)
        reached = min(reached, (await subscription.status()).position)
    return reached


async def _wait(app: App, name: str, target: int, output: Output) -> None:
    subscription = app.running.subscriptions.by_name[name]
    try:
        await subscription.reached(target, _LOOK)
        return
    except Behind as behind:
        if behind.__cause__ is not None:
            raise
    shown = (await subscription.status()).position
    patience = _patience(app)
    idle = 0.0
    with output.progress(f"projecting {name}", target - shown) as advance:
        while idle < patience:
            try:
                await subscription.reached(target, _LOOK)
                return
            except Behind as behind:
                if behind.__cause__ is not None:
                    raise
            position = (await subscription.status()).position
            idle = 0.0 if position > shown else idle + _LOOK
            advance(position - shown)
            shown = position
    await subscription.reached(target, 0.0)


def _patience(app: App) -> float:
    chosen = app.settings().get("timeout")
    return float(chosen.value) if chosen else _PATIENCE
