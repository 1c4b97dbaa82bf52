"""The whole bank: commands in, balances out."""

import pytest

from bank import (
    Account,
    Balance,
    DepositMoney,
    FindAccounts,
    OpenAccount,
    WithdrawMoney,
)
from bank import app as bank
from whence import App, Invalid, Rejected
from whence.sync import SyncApp
from whence.testing import ManualClock


@pytest.fixture
def whence_app() -> App:
    return bank


async def test_a_sender_reads_what_it_has_written(app: App) -> None:
    await app.send(OpenAccount("ACC1", "alice"))
    await app.send(DepositMoney("ACC1", 100))
    receipt = await app.send(WithdrawMoney("ACC1", 30), by="alice")
    row = await app.read(Balance).get("ACC1", after=receipt)
    assert row == Balance(account_id="ACC1", owner="alice", balance=70, version=3)


async def test_what_was_refused_has_changed_nothing(app: App) -> None:
    receipt = await app.send(OpenAccount("ACC1", "alice"))
    with pytest.raises(Rejected, match="Insufficient funds"):
        await app.send(WithdrawMoney("ACC1", 1))
    with pytest.raises(Invalid) as invalid:
        await app.send(DepositMoney("ACC1", -1))
    assert invalid.value.fields.keys() == {"amount"}
    row = await app.read(Balance).get("ACC1", after=receipt)
    assert row is not None
    assert (row.balance, row.version) == (0, 1)


async def test_a_command_with_an_id_is_applied_once(app: App) -> None:
    await app.send(OpenAccount("ACC1", "alice"))
    first = await app.send(DepositMoney("ACC1", 100), id="payday")
    again = await app.send(DepositMoney("ACC1", 100), id="payday")
    assert again.duplicate
    assert again.position == first.position
    row = await app.read(Balance).get("ACC1", after=again)
    assert row is not None
    assert row.balance == 100


async def test_balances_are_sorted_and_counted(app: App) -> None:
    for number in range(3):
        await app.send(OpenAccount(f"ACC{number}", "alice"))
    await app.send(DepositMoney("ACC1", 200))
    receipt = await app.send(DepositMoney("ACC2", 100))
    rows = app.read(Balance).where(owner="alice").after(receipt)
    richest = await rows.order_by("-balance").limit(2)
    assert [row.account_id for row in richest] == ["ACC1", "ACC2"]
    assert await rows.count() == 3


async def test_owners_are_found_by_how_their_names_begin(app: App) -> None:
    await app.send(OpenAccount("ACC0", "alice"))
    await app.send(OpenAccount("ACC1", "Alan"))
    await app.send(OpenAccount("ACC2", "Bob"))
    receipt = await app.send(OpenAccount("ACC3", "Malcolm"))
    await app.read(Balance).get("ACC3", after=receipt)
    found = await app.ask(FindAccounts("AL"))
    assert [row.owner for row in found] == ["Alan", "alice"]
    assert [row.owner for row in await app.ask(FindAccounts("al", limit=1))] == ["Alan"]
    assert await app.ask(FindAccounts("%")) == []


async def test_the_past_can_be_asked(app: App, clock: ManualClock) -> None:
    await app.send(OpenAccount("ACC1", "alice"))
    await app.send(DepositMoney("ACC1", 100))
    clock.advance(days=30)
    await app.send(WithdrawMoney("ACC1", 30))
    account = app.history(Account, "ACC1")
    assert (await account.at("2026-01-15")).balance == 100
    assert (await account.at(3)).balance == 70
    changed = await account.diff(1, 3)
    assert [(one.path, one.before, one.after) for one in changed] == [("balance", 0, 70)]
    assert [past.version async for past in account.events(after=1)] == [2, 3]


def test_a_script_needs_no_await(sync_app: SyncApp) -> None:
    sync_app.send(OpenAccount("ACC1", "alice"))
    receipt = sync_app.send(DepositMoney("ACC1", 100))
    row = sync_app.read(Balance).get("ACC1", after=receipt)
    assert row is not None
    assert row.balance == 100
