"""The connections of a store: few, lent in turn, replaced when they are lost."""

import asyncio
import gc
from collections.abc import AsyncIterator

import psycopg
import pytest

from whence.backends.postgres import pool
from whence.backends.postgres.address import address
from whence.backends.postgres.connecting import Connection, connect
from whence.backends.postgres.pool import Pool
from whence.errors import StoreBusy, StoreError

from .proxy import Proxy
from .slow import until


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[Pool]:
    two = Pool(address(postgres_url), 2, "whence test")
    yield two
    await two.close()


async def pid(connection: Connection) -> int:
    cursor = await connection.execute("select pg_backend_pid()")
    return int((await cursor.fetchall())[0][0])


async def borrow(pool: Pool) -> int:
    async with pool.connection() as connection:
        return await pid(connection)


async def test_connections_are_used_again(two: Pool) -> None:
    assert len({await borrow(two) for _ in range(5)}) == 1
    assert len(set(await asyncio.gather(*[borrow(two) for _ in range(20)]))) == 2


async def test_who_waits_too_long_is_told(two: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PATIENCE", 0.05)
    async with two.connection(), two.connection():
        with pytest.raises(StoreBusy, match=r"all connections that this process may have.*pool="):
            await borrow(two)
    assert await borrow(two)


async def test_who_gives_up_waiting_is_really_gone(two: Pool) -> None:
    """Whenever that is: a follower that is stopped must not go on because of a race."""
    for pause in range(60):
        async with two.connection(), two.connection():
            waiting = asyncio.create_task(borrow(two))
            await asyncio.sleep(0)
        for _ in range(pause % 12):  # on its way to be lent one
            await asyncio.sleep(0)
        gave_up = waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled() is gave_up
    assert len(set(await asyncio.gather(*[borrow(two) for _ in range(8)]))) <= 2


async def test_a_connection_that_was_ended_is_replaced(two: Pool, postgres_url: str) -> None:
    before = await borrow(two)
    with psycopg.connect(postgres_url, autocommit=True) as administrator:
        administrator.execute("select pg_terminate_backend(%s, 5000)", (before,))
    assert await borrow(two) != before


async def test_a_connection_in_a_transaction_is_not_lent_again(two: Pool) -> None:
    async with two.connection() as connection:
        before = await pid(connection)
        await connection.execute("begin")
    assert await borrow(two) != before


async def test_after_the_end_nothing_is_lent(two: Pool) -> None:
    async with two.connection() as connection:
        await two.close()
    assert connection.closed
    with pytest.raises(StoreError, match="is closed"):
        await borrow(two)


async def test_who_gives_up_connecting_leaves_nobody_waiting(postgres_url: str) -> None:
    """Half a greeting would keep the server waiting, and all who create or drop a database."""
    gc.collect()
    gc.disable()
    try:
        async with Proxy(postgres_url) as proxy:
            for pause in range(40):
                connecting = asyncio.create_task(connect(address(proxy.url), "whence test"))
                await asyncio.sleep(pause * 0.0003)
                connecting.cancel()
                await asyncio.wait([connecting])
                if not connecting.cancelled():
                    await connecting.result().close()
            async with asyncio.timeout(20):
                await until(proxy.unused)
    finally:
        gc.enable()
