"""Closing leases lets go of every connection, whoever has given up waiting for an answer."""

import asyncio
import gc
import warnings

import pytest
from sqlalchemy import Connection, Engine

from whence.backends.sql.board import Board, Holder
from whence.backends.sql.leases import Leases

from .kit import NAME, Workers, connect, until_owned


async def test_whoever_asked_and_gave_up_leaves_no_connection_open(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect(postgres_url)
    with engine.begin() as connection:
        Board(engine.dialect).create(connection)
    leases = Leases(engine)
    holders = Board.holders

    def slowly(self: Board, connection: Connection, name: str) -> list[Holder]:
        connection.exec_driver_sql("select pg_sleep(0.3)")
        return holders(self, connection, name)

    monkeypatch.setattr(Board, "holders", slowly)
    asked = asyncio.create_task(leases.status("anything"))
    await asyncio.sleep(0.1)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    await leases.close()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        await asyncio.sleep(0.5)
        del leases, engine
        gc.collect()
    assert not [one for one in warned if issubclass(one.category, ResourceWarning)]


async def test_whoever_is_cancelled_while_he_leaves_is_cancelled_and_leaves(
    workers: Workers, engine: Engine
) -> None:
    """Else a projection that is paused at the moment its application closes never ends."""
    leases = workers()
    await leases.join(NAME, 4)
    await until_owned(leases, 4)
    leaving = asyncio.create_task(leases.leave(NAME))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await leases.close()
    with engine.begin() as connection:
        assert Board(engine.dialect).holders(connection, NAME) == []


async def test_a_worker_that_comes_back_at_once_is_another_one(workers: Workers) -> None:
    """The one before ends, and not that one in its place."""
    leases = workers(seconds=60)
    await leases.join(NAME, 4)
    before = await until_owned(leases, 4)
    leaving = asyncio.create_task(leases.leave(NAME))
    await asyncio.sleep(0)
    await leases.join(NAME, 4)
    await leaving
    async with asyncio.timeout(20):
        after = await until_owned(leases, 4)
    assert all(after[number] > epoch for number, epoch in before.items())
    (holder,) = await leases.status(NAME)
    assert list(holder.slices) == [0, 1, 2, 3]
