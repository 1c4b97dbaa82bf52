"""Workers that share a database, in this process."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from sqlalchemy import Engine, create_engine

from whence.backends.sql.board import Worker
from whence.backends.sql.leases import Leases, elapsed

from ..applications import until as until

NAME = "balance"


def connect(url: str) -> Engine:
    """An engine for a few connections."""
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"), pool_size=4)


def worker(number: int) -> Worker:
    """A worker that is only known to the board."""
    return Worker(f"host:{number}:{number:016x}", "host", number)


class Workers:
    """Opens any number of workers on one database, and closes what is left of them."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self._url, self._stack = url, stack

    def __call__(self, seconds: float = 5.0, clock: Callable[[], float] = elapsed) -> Leases:
        leases = Leases(connect(self._url), seconds=seconds, clock=clock)
        self._stack.push_async_callback(leases.close)
        return leases


async def until_owned(leases: Leases, slices: int, name: str = NAME) -> dict[int, int]:
    """Return as soon as so many slices are a worker's own."""
    while len(owned := await leases.owned(name)) != slices:
        await leases.changed(name, owned, timeout=60)
    return dict(owned)
