"""A bank in one file: accounts that decide, balances that answer. `README.md` tours it."""

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from whence import (
    Aggregate,
    App,
    Index,
    ReadModel,
    Rejected,
    command,
    decide,
    event,
    evolve,
    query,
)

Amount = Annotated[int, Meta(gt=0)]


@event
class AccountOpened:
    account_id: str
    owner: str


@event
class MoneyDeposited:
    account_id: str
    amount: int


@event
class MoneyWithdrawn:
    account_id: str
    amount: int


@command
class OpenAccount:
    account_id: str
    owner: str


@command
class DepositMoney:
    account_id: str
    amount: Amount


@command
class WithdrawMoney:
    account_id: str
    amount: Amount


class Account(Aggregate):
    """The write model: behaviour, nothing to query."""

    opened = False
    balance = 0

    @decide
    def open(self, command: OpenAccount) -> Iterator[AccountOpened]:
        if self.opened:
            raise Rejected("The account is already open")
        yield AccountOpened(command.account_id, command.owner)

    @decide
    def deposit(self, command: DepositMoney) -> Iterator[MoneyDeposited]:
        if not self.opened:
            raise Rejected("There is no such account")
        yield MoneyDeposited(command.account_id, command.amount)

    @decide
    def withdraw(self, command: WithdrawMoney) -> Iterator[MoneyWithdrawn]:
        if command.amount > self.balance:
            raise Rejected("Insufficient funds")
        yield MoneyWithdrawn(command.account_id, command.amount)

    @evolve
    def _(self, event: AccountOpened) -> None:
        self.opened = True

    @evolve
    def _(self, event: MoneyDeposited) -> None:
        self.balance += event.amount

    @evolve
    def _(self, event: MoneyWithdrawn) -> None:
        self.balance -= event.amount


class Balance(ReadModel):
    """The read model: one row per account, a slim DTO."""

    account_id: str
    owner: Annotated[str, Index()] = ""
    balance: int = 0

    @evolve
    def _(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: MoneyDeposited) -> None:
        self.balance += event.amount

    @evolve
    def _(self, event: MoneyWithdrawn) -> None:
        self.balance -= event.amount


@query
class FindAccounts:
    """Whose owner's name starts so? For a field that completes what is typed."""

    owner: str
    limit: int = 10


app = App("bank", Account, Balance)


@app.answers
async def find_accounts(query: FindAccounts, app: App) -> list[Balance]:
    found = app.read(Balance).starting_with(owner=query.owner)
    return await found.order_by("owner", "account_id").limit(query.limit)
