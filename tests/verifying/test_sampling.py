"""A sample of rows is compared with the events of these rows, and not with the whole log."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from sqlalchemy import text

from bank import Balance, DepositMoney, OpenAccount
from bank import app as bank
from whence import App, sampling, verifying

from ..stores import Observed

ACCOUNTS = 100


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is worth it for large logs is done for small ones too."""
    monkeypatch.setattr(verifying, "WORTH_IT", 0)
    monkeypatch.setattr(sampling, "PAGE_EVENTS", 10)


@pytest.fixture
def log() -> Observed:
    return Observed()


@pytest.fixture
async def accounts(log: Observed) -> AsyncIterator[App]:
    async with bank.using(store=log) as app:
        for n in range(ACCOUNTS):
            await app.send(OpenAccount(f"A{n}", "alice"))
            await app.send(DepositMoney(f"A{n}", n + 1))
            await app.send(DepositMoney(f"A{n}", 1))
        assert await app.read(Balance).after(3 * ACCOUNTS).count() == ACCOUNTS
        log.events = 0
        yield app


async def by_hand(app: App, statement: str) -> None:
    await app.running.reads.database.write(lambda c: cast(Any, c.execute(text(statement))))


async def test_it_reads_no_more_than_its_part(accounts: App, log: Observed) -> None:
    found = await accounts.verify(Balance, sample=10, seed=1)
    assert found.in_sync
    assert 0 < found.rows < 30
    assert log.events <= 3 * (found.rows + 10) < 3 * ACCOUNTS


async def test_rows_that_differ_are_found_and_repaired(accounts: App) -> None:
    await by_hand(accounts, "update balance set balance = -1")
    found = await accounts.verify(Balance, sample=10, seed=1)
    assert 0 < found.found == found.rows
    assert {one.kind for one in found.differences} == {"wrong"}
    assert (await accounts.verify(Balance, sample=10, seed=1, repair=True)).mended == found.found
    assert (await accounts.verify(Balance)).found == ACCOUNTS - found.found


async def test_rows_that_are_not_there_are_found_too(accounts: App) -> None:
    await by_hand(accounts, "delete from balance where account_id <> 'A1'")
    found = [
        one.key
        for seed in range(12)
        for one in (await accounts.verify(Balance, sample=10, seed=seed)).differences
    ]
    assert len(set(found)) > ACCOUNTS / 5


async def test_rows_that_were_invented_are_found_too(accounts: App) -> None:
    await by_hand(accounts, "update balance set account_id = 'X' || account_id")
    found = await accounts.verify(Balance, sample=20, seed=1)
    assert {one.kind for one in found.differences} == {"extra", "missing"}
