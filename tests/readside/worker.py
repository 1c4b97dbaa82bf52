"""A process that projects until its input ends: ``python -m tests.readside.worker '{...}'``."""

import asyncio
import json
import sys
from typing import Any

from whence.backends.sql import leases

from . import counters as kit


async def project(options: dict[str, Any]) -> None:
    app = kit.counters(options["read"], kit.MODELS[options["model"]], store=options["store"])
    async with app:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    print("closed", flush=True)


if __name__ == "__main__":
    leases.LEASE = 1.5
    asyncio.run(project(json.loads(sys.argv[1])))
