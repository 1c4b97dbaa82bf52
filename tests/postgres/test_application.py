"""An application on PostgreSQL: commands, read models and snapshots in one database."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from bank import Account, Balance, DepositMoney, OpenAccount, WithdrawMoney
from whence import Aggregate, App, ReadModel, Rejected, command, decide, event, evolve
from whence.aggregate import behaviour_of
from whence.backends.postgres import PostgresSnapshots, PostgresStore
from whence.snapshots import Snapshot


@event
class Counted:
    counter_id: str
    by: int


@command
class Count:
    counter_id: str
    by: int = 1


class Counter(Aggregate, snapshot_every=10):
    total = 0

    @decide
    def count(self, command: Count) -> Iterator[Counted]:
        yield Counted(command.counter_id, command.by)

    @evolve
    def _(self, event: Counted) -> None:
        self.total += event.by


class Total(ReadModel):
    counter_id: str
    total: int = 0

    @evolve
    def _(self, event: Counted) -> None:
        self.total += event.by


@pytest.fixture
def bank(postgres_url: str) -> partial[App]:
    return partial(App, "bank", Account, Balance, store=postgres_url)


async def test_a_bank_on_postgresql(bank: partial[App]) -> None:
    async with bank() as app:
        for number in range(3):
            await app.send(OpenAccount(f"ACC{number}", "alice" if number else "bob"))
            await app.send(DepositMoney(f"ACC{number}", 10 * number + 5))
        with pytest.raises(Rejected, match="Insufficient funds"):
            await app.send(WithdrawMoney("ACC0", 6))
        receipt = await app.send(WithdrawMoney("ACC2", 20), by="alice")
        row = await app.read(Balance).after(receipt).get("ACC2")
        assert row is not None
        assert (row.owner, row.balance) == ("alice", 5)
        rows = await app.read(Balance).where(owner="alice").order_by("-balance").limit(20)
        assert [(row.account_id, row.balance) for row in rows] == [("ACC1", 15), ("ACC2", 5)]
        history = app.history(Account, "ACC2")
        assert (await history.at(version=2)).balance == 25
        names = [type(past.event).__name__ async for past in history.events()]
        assert names == ["AccountOpened", "MoneyDeposited", "MoneyWithdrawn"]
    async with bank() as app:
        assert (await app.send(DepositMoney("ACC0", 1))).versions == {"account-ACC0": 3}


async def test_two_processes_work_on_the_same_accounts(bank: partial[App]) -> None:
    async with bank() as one, bank() as two:
        await one.send(OpenAccount("ACC1", "alice"))
        sending = [app.send(DepositMoney("ACC1", 1)) for app in (one, two) for _ in range(40)]
        receipts = await asyncio.gather(*sending)
        last = max(receipts, key=lambda receipt: receipt.position)
        for app in (one, two):
            row = await app.read(Balance).after(last).get("ACC1")
            assert row is not None
            assert row.balance == 80
        assert sorted(r.versions["account-ACC1"] for r in receipts) == list(range(2, 82))


async def test_snapshots_are_kept_and_used(postgres_url: str) -> None:
    counting = partial(App, "counting", Counter, Total, store=postgres_url)
    shape = behaviour_of(Counter).shape
    async with counting() as app:
        for _ in range(24):
            await app.send(Count("C1"))
        receipt = await app.send(Count("C1"))
        row = await app.read(Total).after(receipt).get("C1")
        assert row is not None
        assert row.total == 25
    async with PostgresStore(postgres_url) as store:
        snapshots = PostgresSnapshots(store)
        saved = await snapshots.load("counter-C1", shape)
        assert saved is not None
        assert saved.version == 20
        wrong = Snapshot(20, saved.position, shape, saved.state.replace(b"20", b"70"))
        await store.query("delete from whence.snapshots")
        await snapshots.save("counter-C1", wrong)
    async with counting() as app:
        assert (await app.history(Counter, "C1").now()).total == 75
    async with PostgresStore(postgres_url) as store:
        await store.query("truncate whence.snapshots")
    async with counting() as app:
        assert (await app.history(Counter, "C1").now()).total == 25


async def test_a_slow_saver_does_not_replace_a_later_snapshot(postgres_schema: str) -> None:
    async with PostgresStore(postgres_schema) as store:
        snapshots = PostgresSnapshots(store)
        early, late = (Snapshot(n, n, "shape", b"%d" % n) for n in (10, 20))
        await snapshots.save("s", late)
        await snapshots.save("s", early)
        assert await snapshots.load("s", "shape") == late
        assert await snapshots.load("s", "another shape") is None
        await snapshots.save("s", Snapshot(5, 5, "another shape", b""))
        assert await snapshots.load("s", "shape") is None
