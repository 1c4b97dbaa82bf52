"""Who waits in a process until it has come to a position of the log."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count


class Arrivals:
    """Those who wait, each for a position."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = count()  # futures cannot be compared

    async def at(self, position: int, timeout: float) -> None:
        """Wait until everything up to ``position`` is handled, so many seconds at most."""
        done = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (position, next(self._number), done))
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await done

    def moved(self, position: int) -> None:
        """Everything up to ``position`` is handled."""
        while self._waiting and self._waiting[0][0] <= position:
            _, done = self._first()
            if not done.done():  # or it waits no more
                done.set_result(None)

    def end(self, error: Callable[[int], Exception]) -> None:
        """Nothing moves any more: raise, to each, the error for the position that it waits for."""
        while self._waiting:
            wanted, done = self._first()
            if not done.done():
                done.set_exception(error(wanted))

    def _first(self) -> tuple[int, asyncio.Future[None]]:
        position, _, done = heappop(self._waiting)
        return position, done
