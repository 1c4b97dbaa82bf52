"""Noticing what was stored: a notification is a hint, asking the server the truth."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from psycopg import Error

from whence.backends.postgres.address import Address
from whence.backends.postgres.connecting import connect
from whence.backends.postgres.holders import Ask, Holder, holding_delivery
from whence.backends.postgres.wire import Wire
from whence.errors import StoreError
from whence.telemetry import Telemetry

_POLL = 0.1
"""Seconds between two looks while somebody waits and nobody has told anything."""
_COALESCE = 0.02
"""Seconds in which all that is stored makes one notification."""
_BACK_OFF = 1.0
_LONG = 5.0
"""Seconds. Somebody who holds up delivery for longer is named, by a warning and a metric."""

_log = logging.getLogger("whence")


class Watcher:
    """Wakes whoever waits for new events, in this process and in others.

    Notifications are sent outside the appends' transactions: there, each would take a lock that
    all commits of the server share. Whoever misses them all is `_POLL` late.
    """

    def __init__(
        self,
        address: Address,
        watermark: Callable[[], Awaitable[int]],
        ask: Ask,
    ) -> None:
        self.telemetry = Telemetry()
        self._address, self._watermark, self._ask = address, watermark, ask
        self._channel = f"{address.schema}_events"
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._look, self._news = asyncio.Event(), asyncio.Event()
        self._mark = 0
        self._wire: Wire | None = None
        """Where notifications are heard, and sent."""
        work = [self._looking(), self._telling(), self._naming()]
        if not address.pooled:  # a pooler in transaction mode cannot listen
            work.append(self._listening())
        self._tasks = [asyncio.create_task(task, name="whence: watching") for task in work]

    def stored(self) -> None:
        """This process has stored events."""
        if self._waiting:
            self._look.set()
        self._news.set()

    async def wait(self, after: int, timeout: float) -> None:
        """See `EventStore.wait`."""
        if self._mark > after:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = after
        self._look.set()
        try:
            with suppress(TimeoutError):
                # not wait_for: in Python 3.11 that may swallow a cancellation
                async with asyncio.timeout(timeout):
                    await future
        finally:
            self._waiting.pop(future, None)

    async def close(self) -> None:
        """Stop watching, and wake everybody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reached(1 << 63)

    def _reached(self, mark: int) -> None:
        self._mark = max(self._mark, mark)
        for future, after in list(self._waiting.items()):
            if after < mark and not future.done():
                future.set_result(None)

    async def _looking(self) -> None:
        """One look for all who wait: when there are hints, and else now and then."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL if self._waiting else None):
                    await self._look.wait()
            self._look.clear()
            if self._waiting:
                try:
                    self._reached(await self._watermark())
                except StoreError:
                    await asyncio.sleep(_POLL)

    async def _telling(self) -> None:
        statement = f'notify "{self._channel}"'
        while True:
            await self._news.wait()
            self._news.clear()
            with suppress(Error, StoreError):
                if self._wire is None:
                    await self._ask(statement)
                else:
                    await self._wire.call(statement.encode(), ())
            await asyncio.sleep(_COALESCE)

    async def _naming(self) -> None:
        """Whoever holds up delivery, as long as somebody waits for it."""
        named: Holder | None = None
        while True:
            await asyncio.sleep(_LONG)
            if not self._waiting:
                continue
            with suppress(StoreError):
                held = await holding_delivery(self._ask)
                worst = held[0] if held and held[0].seconds > _LONG else None
                self._note(worst, named)
                named = worst

    def _note(self, worst: Holder | None, named: Holder | None) -> None:
        if named is not None and (worst is None or worst.labels != named.labels):
            self.telemetry.gauge("delivery.held", 0.0, **named.labels)  # its series ends
        if worst is None:
            self.telemetry.gauge("delivery.held", 0.0)
            return
        self.telemetry.gauge("delivery.held", worst.seconds, **worst.labels)
        if named is None or worst.name != named.name:
            _log.warning(
                "events are not delivered because of %s. What to do: %s", worst, worst.remedy
            )

    async def _listening(self) -> None:
        """On a connection of its own, and on another when that is lost."""
        while True:
            wire: Wire | None = None
            try:
                connection = await connect(self._address, "whence listening", durable=False)
                wire = Wire(connection, prepared=True, shared=False)
                await wire.call(f'listen "{self._channel}"'.encode(), ())
                self._look.set()
                self._wire = wire
                while True:
                    await wire.heard()
                    if self._waiting:
                        self._look.set()
            except (Error, StoreError):
                await asyncio.sleep(_BACK_OFF)
            finally:
                self._wire = None
                if wire is not None:
                    await wire.close()
