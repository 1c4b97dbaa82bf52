"""A process that takes part in a rebuild that another one has begun. See `whence.crew`."""

import asyncio
import json
import sys
from collections.abc import Mapping

from whence.app import load
from whence.cli.session import reach_examples
from whence.cli.stopping import until_stopped

_PATIENCE = 10.0
"""Seconds until a rebuild that is not under way yet is taken to be over."""
_LOOK = 0.05
"""Seconds between two looks for it."""


async def take_part(said: Mapping[str, str]) -> None:
    """Do a share of a rebuild, until it is done or there is none."""
    reach_examples()
    app = load(said["app"]).using(store=said["store"], read=said.get("read"), projecting=False)
    with until_stopped():
        async with app:
            subscription = app.running.reads.subscriptions.by_name[said["name"]]
            for _ in range(int(_PATIENCE / _LOOK)):
                if await subscription.take_part():
                    return
                await asyncio.sleep(_LOOK)


if __name__ == "__main__":
    asyncio.run(take_part(json.load(sys.stdin)))
