"""``?pool=N``: a process has no more connections than it was told, however much it has to do."""

import asyncio

import psycopg

from bank import Balance, DepositMoney, OpenAccount, app
from whence.backends.postgres import PostgresStore
from whence.store import ALL
from whence.testing.conformance.words import collect, happened, outcome


class Counting:
    """Looks again and again how many connections there are to a database."""

    def __init__(self, url: str) -> None:
        self.most = 0
        self._url = url

    async def __aenter__(self) -> "Counting":
        self._task = asyncio.create_task(self._count())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _count(self) -> None:
        others = b"""
            select count(*) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()
        """
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            while True:
                row = await (await connection.execute(others)).fetchone()
                self.most = max(self.most, row[0] if row else 0)
                await asyncio.sleep(0)


async def test_a_store_has_no_more(postgres_url: str) -> None:
    async with (
        Counting(postgres_url) as counting,
        PostgresStore(f"{postgres_url}?pool=5") as store,
    ):
        work = [outcome(store, happened(f"s-{n % 7}")) for n in range(100)]
        await asyncio.gather(*work, *[collect(store.read(ALL)) for _ in range(50)])
    assert 1 < counting.most <= 5


async def test_nor_have_its_read_models(postgres_url: str) -> None:
    async with (
        Counting(postgres_url) as counting,
        app.using(store=f"{postgres_url}?pool=4") as bank,
    ):
        await bank.send(OpenAccount("ACC1", "ann"))
        deposits = [bank.send(DepositMoney("ACC1", 1)) for _ in range(50)]
        receipts = await asyncio.gather(*deposits)
        rows = [bank.read(Balance).after(one).get("ACC1") for one in receipts]
        assert {row.balance for row in await asyncio.gather(*rows) if row} <= set(range(51))
    assert 4 < counting.most <= 4 + 4
