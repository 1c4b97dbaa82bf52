"""Behind PgBouncer in transaction mode: whoever works there says ``?pooled=yes``.

It has two connections to the server for everybody, so nobody can have one of his own.
"""

import asyncio
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest

from bank import Balance, DepositMoney, OpenAccount, app
from whence.backends.postgres import PostgresStore
from whence.backends.postgres.address import address
from whence.backends.postgres.upgrading import PostgresSchema
from whence.errors import StoreError
from whence.store import ALL
from whence.testing.conformance import (
    Appending,
    HandlesConformance,
    HeadAndWaiting,
    Idempotency,
    OpenStore,
    Unless,
)
from whence.testing.conformance.words import collect, happened, outcome, stored


class TestPooled(Appending, Idempotency, Unless, HeadAndWaiting, HandlesConformance):
    """The promises that locks, transactions and notifications are behind."""

    @pytest.fixture
    def open_store(self, pooled_url: str) -> OpenStore:
        return partial(PostgresStore, f"{pooled_url}?pooled=yes")


def test_connections_are_lent_for_a_transaction(pooled_url: str) -> None:
    """Else these tests would show nothing."""
    with ExitStack() as stack:
        clients = [stack.enter_context(psycopg.connect(pooled_url)) for _ in range(5)]
        servers: set[int] = set()
        for client in clients:
            servers |= {pid for (pid,) in client.execute("select pg_backend_pid()").fetchall()}
            client.commit()
        assert len(servers) <= 2


async def test_without_saying_so_it_is_refused(pooled_url: str) -> None:
    with pytest.raises(StoreError, match=r"say so: \?pooled=yes"):
        await PostgresStore(pooled_url).open()


async def test_many_stores_share_two_connections(pooled_url: str) -> None:
    stores = [PostgresStore(f"{pooled_url}?pooled=yes") for _ in range(6)]
    await asyncio.gather(*[store.open() for store in stores])
    try:

        async def work(store: PostgresStore, stream: str) -> None:
            for version in range(20):
                stored(await outcome(store, happened(stream, expected=version)))

        await asyncio.gather(*[work(store, f"s-{n}") for n, store in enumerate(stores)])
        for store in stores:
            assert len(await collect(store.read(ALL))) == 6 * 20
    finally:
        await asyncio.gather(*[store.close() for store in stores])


async def test_what_others_store_is_noticed_without_being_told(pooled_url: str) -> None:
    url = f"{pooled_url}?pooled=yes"
    async with PostgresStore(url) as one, PostgresStore(url) as other:
        waiting = asyncio.create_task(other.wait(0, 60))
        stored(await outcome(one, happened("stream")))
        await waiting
        assert await other.head() == 1


async def test_of_upgrades_at_once_one_does_it(pooled_url: str) -> None:
    """Their sessions are not new, and remember what there was before they waited."""
    names: list[str] = [f"schema_{number}" for number in range(8)]
    for name in names:
        tables = PostgresSchema(address(f"{pooled_url}?pooled=yes&schema={name}"))
        await asyncio.gather(*[tables.status() for _ in range(3)])
        ran = await asyncio.gather(*[tables.upgrade() for _ in range(4)])
        assert sorted(ran) == [(), (), (), (await tables.status()).migrations]


async def test_an_application_works_there_with_its_read_models(pooled_url: str) -> None:
    url = f"{pooled_url}?pooled=yes"
    async with app.using(store=url) as one, app.using(store=url) as other:
        await one.send(OpenAccount("ACC1", "ann"))
        for _ in range(19):  # more often than the driver waits before it prepares a statement
            for bank in (one, other):
                await bank.send(DepositMoney("ACC1", 1))
        receipt = await one.send(DepositMoney("ACC1", 2))
        for bank in (one, other):
            row = await bank.read(Balance).after(receipt).get("ACC1")
            assert row is not None
            assert row.balance == 40
