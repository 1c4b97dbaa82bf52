"""The continuous check: differences are found, counted and reported without being asked for."""

import asyncio
import logging

import pytest
from sqlalchemy import text

from whence import App

from .accounts import fill


async def once(app: App) -> dict[str, int]:
    """What is counted after a comparison of a few rows."""
    await app.running.check.once()
    return app.running.telemetry.counts


async def test_rows_that_are_right(accounts: App) -> None:
    counts = await once(accounts)
    assert 0 < counts["verify.balance.compared"] <= 5
    assert counts["verify.balance.differing"] == 0


async def test_a_row_that_is_missing(accounts: App, caplog: pytest.LogCaptureFixture) -> None:
    gone = text("delete from balance")
    await accounts.running.reads.database.write(lambda c: c.execute(gone))
    with caplog.at_level(logging.ERROR):
        counts = await once(accounts)
    assert counts["verify.balance.differing"] > 0
    assert "balance is out of sync with the log: the rows of 'A" in caplog.text


async def test_a_log_without_events(closed: App) -> None:
    async with closed as empty:
        assert not await once(empty)


async def test_it_runs_if_it_is_wanted(closed: App) -> None:
    closed.verify_every = 0.01
    async with closed as checked:
        await fill(checked, 8)
        counts, tried = checked.running.telemetry.counts, asyncio.Event()
        asyncio.get_running_loop().call_later(60, tried.set)
        while not counts and not tried.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert counts


async def test_it_is_off_unless_wanted(accounts: App) -> None:
    await asyncio.sleep(0.05)
    assert not accounts.running.telemetry.counts
