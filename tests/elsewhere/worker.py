"""What a process does that projects and kills itself."""

import asyncio
from pathlib import Path

from library.redis_rows import RedisRows
from library.search_rows import SearchRows
from tests.faults import dying
from whence.elsewhere import RowStore

from . import accounts

Redis = tuple[str, str]
"""A URL, and the prefix of names in it."""


def run(
    log: str, place: Redis | Path, read: str | None, rebuild: bool, point: tuple[str, str, int]
) -> None:
    """Follow the log, and rebuild if asked to, until the ``point`` is reached."""
    dying.quicken()
    dying.install(*point)
    store = SearchRows(place, text=("owner",)) if isinstance(place, Path) else RedisRows(*place)
    asyncio.run(_work(log, store, read, rebuild))


async def _work(log: str, store: RowStore, read: str | None, rebuild: bool) -> None:
    async with accounts.bank(log, store, read) as app:
        await accounts.caught_up(app)
        if rebuild:
            await app.projections.rebuild("balance")
