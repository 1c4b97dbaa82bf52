"""A process that projects and kills itself: ``python -m tests.elsewhere.worker '{...}'``."""

import asyncio
import json
import sys
from typing import Any

from library.redis_rows import RedisRows
from library.search_rows import SearchRows
from tests.faults import dying

from . import accounts


async def work(options: dict[str, Any]) -> None:
    dying.install(*options["die"])
    store = RedisRows(*options["redis"]) if options["redis"] else None
    rows = store or SearchRows(options["index"], text=("owner",))
    async with accounts.bank(options["log"], rows, options["read"]) as app:
        if options["rebuild"]:
            await accounts.settled(app)
            await app.projections.rebuild("balance")
        await accounts.settled(app)


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.argv[1])))
