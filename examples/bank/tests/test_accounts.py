"""What an account decides."""

from bank import (
    Account,
    AccountOpened,
    DepositMoney,
    MoneyDeposited,
    MoneyWithdrawn,
    OpenAccount,
    WithdrawMoney,
)
from whence.testing import given

OPENED = AccountOpened("ACC1", "alice")


def test_an_account_is_opened() -> None:
    given(Account).when(OpenAccount("ACC1", "alice")).then(OPENED)


def test_an_account_is_opened_once() -> None:
    given(Account, OPENED).when(OpenAccount("ACC1", "bob")).then_rejected("already open")


def test_money_is_deposited() -> None:
    outcome = given(Account, OPENED).when(DepositMoney("ACC1", 100))
    outcome.then(MoneyDeposited("ACC1", 100)).then_state(balance=100)


def test_no_money_is_deposited_to_an_account_that_nobody_has_opened() -> None:
    given(Account).when(DepositMoney("ACC1", 100)).then_rejected("There is no such account")


def test_what_is_there_can_be_withdrawn() -> None:
    history = [OPENED, MoneyDeposited("ACC1", 100)]
    outcome = given(Account, *history).when(WithdrawMoney("ACC1", 100))
    outcome.then(MoneyWithdrawn("ACC1", 100)).then_state(balance=0)


def test_what_is_not_there_cannot_be_withdrawn() -> None:
    history = [OPENED, MoneyDeposited("ACC1", 100)]
    given(Account, *history).when(WithdrawMoney("ACC1", 101)).then_rejected("Insufficient funds")


def test_what_was_withdrawn_cannot_be_withdrawn_again() -> None:
    history = [OPENED, MoneyDeposited("ACC1", 100)]
    first = given(Account, *history).when(WithdrawMoney("ACC1", 60))
    first.and_when(WithdrawMoney("ACC1", 60)).then_rejected("Insufficient funds")


def test_an_amount_is_more_than_nothing() -> None:
    given(Account, OPENED).when(DepositMoney("ACC1", 0)).then_invalid("amount")
    given(Account, OPENED).when(WithdrawMoney("ACC1", -5)).then_invalid("amount")
