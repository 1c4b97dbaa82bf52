"""Accounts whose balances are inline: a small domain, and what is needed to look at it."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any

from whence import Aggregate, App, Index, ReadModel, command, decide, event, evolve
from whence.envelope import NewEvent

from ..applications import append as append
from ..applications import caught_up as caught_up
from ..applications import folded, subscription
from ..applications import new as new
from ..applications import status as status


@event
class Opened:
    account_id: str
    owner: str


@event
class Deposited:
    account_id: str
    amount: int


@event
class Moved:
    """From one account to another."""

    source: str
    target: str
    amount: int


@event
class Closed:
    account_id: str


@event
class Noted:
    """Nobody folds it."""

    account_id: str


@command
class Open:
    account_id: str
    owner: str


@command
class Deposit:
    account_id: str
    amount: int
    times: int = 1


@command
class Close:
    account_id: str


@command
class Note:
    account_id: str


class Account(Aggregate):
    @decide
    def open(self, command: Open) -> Iterator[object]:
        yield Opened(self.id, command.owner)

    @decide
    def deposit(self, command: Deposit) -> Iterator[object]:
        for _ in range(command.times):
            yield Deposited(self.id, command.amount)

    @decide
    def close(self, command: Close) -> Iterator[object]:
        yield Closed(self.id)

    @decide
    def note(self, command: Note) -> Iterator[object]:
        yield Noted(self.id)

    @evolve
    def _(self, event: Opened | Deposited | Closed | Noted) -> None: ...


class Balance(ReadModel, kind="inline", revision=1, attempts=0):
    account_id: str
    owner: Annotated[str, Index()] = ""
    balance: Annotated[Decimal, Index()] = Decimal(0)
    deposits: int = 0

    @evolve
    def _(self, event: Deposited) -> None:
        if event.amount == 13:
            raise ValueError("13 brings bad luck")
        self.balance += event.amount
        self.deposits += 1

    @evolve
    def _(self, event: Opened) -> None:
        self.owner = event.owner

    @evolve(key=lambda event: [event.source, event.target])
    def _(self, event: Moved) -> None:
        self.balance += event.amount if self.account_id == event.target else -event.amount

    @evolve
    def _(self, event: Closed) -> None:
        self.delete()


class Doubled(Balance, name="balance", kind="inline", revision=2, attempts=0):
    """The same columns, another fold."""

    @evolve
    def _(self, event: Deposited) -> None:
        self.balance += 2 * event.amount
        self.deposits += 1


def bank(url: str, *models: Any, **options: Any) -> App:
    return App("bank", Account, *(models or (Balance,)), store=url, **options)


def deposited(account: str, amount: int) -> NewEvent:
    return new("Deposited", f"account-{account}", {"account_id": account, "amount": amount})


async def rows(app: App, model: type[Any] = Balance) -> dict[str, Any]:
    """What is there at this moment: nobody waits."""
    return {row.account_id: row for row in await app.read(model)}


async def checkpoint(app: App, name: str | None = None) -> int:
    return await subscription(app, name).subscriber.checkpoint()


async def fresh(app: App, model: type[Any] = Balance) -> dict[Any, Any]:
    """What an honest fold of the log makes of it."""
    return await folded(app, app.running.reads.model(model).spec)
