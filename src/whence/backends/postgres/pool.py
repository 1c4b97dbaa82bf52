"""A few connections that are lent, made when they are needed.

Not psycopg's own pool: on Python 3.11 whoever waits there may not hear that he was cancelled, and
while the server is away it says so only when its patience has ended.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from psycopg.pq import TransactionStatus

from whence.backends.postgres.address import Address
from whence.backends.postgres.connecting import Connection, closed, connect, lost
from whence.errors import StoreBusy, StoreError

_PATIENCE = 10.0
"""Seconds to wait until somebody gives a connection back."""


class Pool:
    """At most ``size`` connections called ``name``."""

    def __init__(self, address: Address, size: int, name: str) -> None:
        self._address, self._name = address, name
        self._turns = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._closed = False

    async def close(self) -> None:
        """Let go of the connections; those that are lent are closed when they come back."""
        self._closed = True
        await self.renew()

    async def renew(self) -> None:
        """Lend no connection again that nobody uses now: one was lost, others may be dying."""
        while self._idle:
            await closed(self._idle.pop())

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend one. Raises the `StoreError` that says why there is none."""
        await self._turn()
        connection: Connection | None = None
        try:
            connection = await self._ready()
            yield connection
        finally:
            self._turns.release()
            if connection is not None:
                await self._back(connection)

    async def _turn(self) -> None:
        if self._closed:
            raise StoreError(f"{self._address.shown} is closed")
        if self._turns.locked():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._turns.acquire()
                    return
            raise StoreBusy(
                f"{self._address.shown}: all connections that this process may have were in use"
                f" for {_PATIENCE:.0f} s (?pool=... in the URL allows more)"
            )
        await self._turns.acquire()

    async def _ready(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not lost(connection):
                return connection
            await closed(connection)
        return await connect(self._address, self._name, durable=False)

    async def _back(self, connection: Connection) -> None:
        idle = connection.pgconn.transaction_status == TransactionStatus.IDLE
        if idle and not self._closed:
            self._idle.append(connection)
        else:
            await closed(connection)
