"""Every PostgreSQL that this machine has: the whole loop, once around."""

from collections.abc import Iterator

import pytest

from bank import Account, Balance, DepositMoney, OpenAccount, app
from whence.backends.postgres.address import address
from whence.backends.postgres.upgrading import PostgresSchema
from whence.testing.postgres import PrivatePostgres, installations

FOUND = {f"postgresql-{found.version}": found for found in installations()}


@pytest.fixture(scope="module", params=FOUND or ["none"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with PrivatePostgres(FOUND.get(request.param)) as server:
        yield server.create_database()


async def test_commands_become_events_and_rows(url: str) -> None:
    tables = PostgresSchema(address(url))
    assert await tables.upgrade() == (await tables.status()).migrations
    async with app.using(store=url) as bank:
        await bank.send(OpenAccount("ACC1", "ann"))
        receipt = await bank.send(DepositMoney("ACC1", 7))
        row = await bank.read(Balance).after(receipt).get("ACC1")
        assert row is not None
        assert row.balance == 7
    async with app.using(store=url) as bank:
        await bank.send(DepositMoney("ACC1", 1))
        assert (await bank.history(Account, "ACC1").at(version=3)).balance == 8
