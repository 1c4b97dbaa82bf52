"""Accounts, whose rows are wherever a test wants them."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from whence import Aggregate, App, ReadModel, command, decide, event, evolve
from whence.elsewhere import RowStore
from whence.envelope import NewEvent

from ..applications import append as append
from ..applications import caught_up as caught_up
from ..applications import folded, new
from ..applications import status as status
from ..applications import subscription as subscription


@event
class Opened:
    account_id: str
    owner: str
    at: datetime


@event
class Deposited:
    account_id: str
    amount: int


@event
class Closed:
    account_id: str


@command
class Deposit:
    account_id: str
    amount: int


class Account(Aggregate):
    @decide
    def deposit(self, command: Deposit) -> Iterator[Deposited]:
        yield Deposited(self.id, command.amount)

    @evolve
    def _(self, event: Opened | Deposited | Closed) -> None: ...


def balances(store: RowStore, revision: int = 1, times: int = 1) -> type[ReadModel]:
    """A read model whose rows are in ``store``."""

    class Balance(ReadModel, revision=revision, database=store, attempts=0):
        account_id: str
        owner: str = ""
        since: datetime | None = None
        balance: Decimal = Decimal(0)
        deposits: list[int] = []

        @evolve
        def _(self, event: Deposited) -> None:
            if event.amount == 13:
                raise ValueError("13 brings bad luck")
            self.balance += event.amount * times
            self.deposits.append(event.amount)

        @evolve
        def _(self, event: Opened) -> None:
            self.owner, self.since = event.owner, event.at

        @evolve
        def _(self, event: Closed) -> None:
            self.delete()

    return Balance


def bank(log: str, store: RowStore, read: str | None = None, **fold: int) -> App:
    return App("bank", Account, balances(store, **fold), store=log, read=read)


def opened(account: str, owner: str) -> NewEvent:
    return _new("Opened", account, owner=owner, at="2026-11-01T12:00:00+01:00")


def deposited(account: str, amount: int) -> NewEvent:
    return _new("Deposited", account, amount=amount)


def closed(account: str) -> NewEvent:
    return _new("Closed", account)


def _new(type: str, account: str, **data: object) -> NewEvent:
    return new(type, f"account-{account}", {"account_id": account, **data})


def mixed(count: int, accounts: int = 11) -> list[NewEvent]:
    """Accounts that are opened, and paid into, and now and then closed."""
    events: list[NewEvent] = []
    for n in range(count):
        account = f"A{n % accounts}"
        kind = n * 7 % 23
        if kind == 0:
            events.append(closed(account))
        else:
            events.append(
                opened(account, f"ann {n}") if kind == 1 else deposited(account, kind + 20)
            )
    return events


async def rows(app: App) -> dict[str, Any]:
    (model,) = app.wiring.models
    return {getattr(row, "account_id"): row for row in await app.read(model)}  # noqa: B009


async def fresh(app: App) -> dict[Any, Any]:
    """What an honest fold of the log makes of it."""
    (model,) = app.wiring.models
    return await folded(app, app.running.reads.model(model).spec)


async def go_back(app: App, position: int) -> None:
    """What is after ``position`` is delivered once more."""
    database = app.running.reads.database
    await database.write(lambda c: database.checkpoints.go_back(c, "balance", position))
    subscription(app).wake()
