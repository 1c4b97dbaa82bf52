"""Closing leases lets go of every connection, whoever has given up waiting for an answer."""

import asyncio
import gc
import warnings

import pytest
from sqlalchemy import Connection

from whence.backends.sql.board import Board, Holder
from whence.backends.sql.leases import Leases

from .kit import connect


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
