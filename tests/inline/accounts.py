"""Accounts whose balances are inline: a small domain, and what is needed to look at it."""

from decimal import Decimal
from typing import Annotated, Any

from whence import App, Index, ReadModel, event, evolve
from whence.envelope import NewEvent

from ..accounts import Account, Closed, Deposited, Opened
from ..applications import append as append
from ..applications import caught_up as caught_up
from ..applications import folded, subscription
from ..applications import new as new
from ..applications import status as status


@event
class Moved:
    """From one account to another."""

    source: str
    target: str
    amount: int


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
