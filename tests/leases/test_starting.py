"""Nobody waits for a process that hangs while it starts, when no other knows of it yet."""

import asyncio
import threading

import pytest
from sqlalchemy import Connection

from whence.backends.sql import dialects, schema
from whence.backends.sql.database import ReadDatabase


async def test_others_start_while_one_is_suspended_that_makes_the_first_tables(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for, for a moment; woken up, it sees that the tables are there."""
    suspended, woken = threading.Event(), threading.Event()
    create = schema.create

    def create_slowly(connection: Connection) -> None:
        create(connection)
        if not suspended.is_set():
            suspended.set()
            woken.wait(60)

    monkeypatch.setattr(dialects, "SILENCE", "200ms")
    monkeypatch.setattr(schema, "create", create_slowly)
    sleeper, other = ReadDatabase(postgres_url), ReadDatabase(postgres_url)
    opening = asyncio.create_task(sleeper.open())
    try:
        await asyncio.to_thread(suspended.wait, 60)
        async with asyncio.timeout(30):
            await other.open()
        assert not opening.done()
    finally:
        woken.set()
        await opening
        await other.close()
    assert await sleeper.left_out("anything") == frozenset()
    await sleeper.close()
