"""Live read models: no table, folded at the moment of asking, never behind."""

import pytest
from sqlalchemy import create_engine, inspect, make_url

from bank import Account, AccountOpened, DepositMoney, MoneyDeposited, OpenAccount, app
from whence import App, ReadModel, evolve
from whence.errors import Invalid, WiringError


class Wealth(ReadModel, kind="live"):
    account_id: str
    owner: str = ""
    balance: int = 0

    @evolve
    def _(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: MoneyDeposited) -> None:
        self.balance += event.amount


def bank(store_url: str) -> App:
    return App("bank", Account, Wealth, store=store_url)


async def test_a_row_is_there_as_soon_as_its_event_is_stored(store_url: str) -> None:
    async with bank(store_url) as app:
        receipt = await app.send(OpenAccount("ACC1", "alice"))

        assert await app.read(Wealth).get("ACC1") == Wealth("ACC1", "alice", version=1)
        assert await app.read(Wealth).get("ACC1", after=receipt, timeout=0) is not None
        assert await app.read(Wealth).get("ACC2") is None


async def test_the_table_follows_the_log(store_url: str) -> None:
    async with bank(store_url) as app:
        rows = app.read(Wealth).order_by("-balance")
        assert await rows == []
        await app.send(OpenAccount("ACC1", "alice"))
        await app.send(OpenAccount("ACC2", "bob"))
        assert await rows.count() == 2
        await app.send(DepositMoney("ACC2", 5))

        assert [(row.owner, row.balance) for row in await rows] == [("bob", 5), ("alice", 0)]
        assert await rows.where(owner="alice").count() == 1
        assert (await rows.page(1)).next is not None


async def test_it_has_a_past_and_reasons(store_url: str) -> None:
    async with bank(store_url) as app:
        opened = await app.send(OpenAccount("ACC1", "alice"))
        await app.send(DepositMoney("ACC1", 5))

        then = await app.read(Wealth).as_of(opened).get("ACC1")
        assert then is not None
        assert then.balance == 0
        assert await app.read(Wealth).as_of(opened).count() == 1
        assert len(await app.read(Wealth).diff(opened, "2099-01-01")) == 1
        assert [one.type for one in await app.why(Wealth, "ACC1", "balance")] == [
            "MoneyDeposited",
            "AccountOpened",
        ]


async def test_it_leaves_nothing_in_the_read_database(store_url: str) -> None:
    async with bank(store_url) as app:
        await app.send(OpenAccount("ACC1", "alice"))
        assert await app.read(Wealth).count() == 1
        url = app.running.reads.database.engine.url

    engine = create_engine(make_url(url))
    assert "wealth" not in inspect(engine).get_table_names()
    engine.dispose()


async def test_what_needs_a_table_is_refused(store_url: str) -> None:
    async with bank(store_url) as app:
        with pytest.raises(WiringError, match="is live: it has no table"):
            await app.rebuild(Wealth)
        with pytest.raises(WiringError, match="is in no database"):
            app.read(Wealth).select()
        with pytest.raises(Invalid, match="Expected `str`"):
            await app.read(Wealth).get(5)


def test_another_kind_is_refused() -> None:
    with pytest.raises(WiringError, match="there is no kind 'lively': say kind='catch-up'"):

        class Balance(ReadModel, kind="lively"):  # pyright: ignore
            account_id: str

            @evolve
            def _(self, event: MoneyDeposited) -> None:
                pass


async def test_beside_kept_ones(store_url: str) -> None:
    both = App("bank", Account, Wealth, *app.wiring.models, store=store_url)
    async with both:
        receipt = await both.send(OpenAccount("ACC1", "alice"))
        kept = await both.read(both.wiring.models[1]).get("ACC1", after=receipt)
        assert kept is not None
        assert await both.read(Wealth).count() == 1
