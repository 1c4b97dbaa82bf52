"""Accounts whose balances are inline: a small domain, and what is needed to look at it."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

from whence import Aggregate, App, ReadModel, command, decide, event, evolve
from whence.envelope import NewEvent, new_id
from whence.folds import Fold
from whence.readmodels import Index
from whence.status import Status
from whence.store import ALL, Commit


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


def new(type: str, stream: str, data: Mapping[str, object]) -> NewEvent:
    return NewEvent(type, json.dumps(data).encode(), stream)


async def append(app: App, *events: NewEvent) -> list[Any]:
    """Store each event in a commit of its own, all in one call."""
    commits = [Commit(new_id(), [event]) for event in events]
    return list(await app.running.store.append(commits))


async def status(app: App, name: str = "balance") -> Status:
    return await app.running.subscriptions.by_name[name].status()


async def checkpoint(app: App, name: str = "balance") -> int:
    return await app.running.subscriptions.by_name[name].subscriber.checkpoint()


async def rows(app: App, model: type[Any] = Balance) -> dict[str, Any]:
    """What is there at this moment: nobody waits."""
    return {row.account_id: row for row in await app.read(model)}


async def fresh(app: App, model: type[Any] = Balance) -> dict[str, Any]:
    """What an honest fold of the log makes of it."""
    fold: Fold[Any] = Fold(app.running.model(model).spec, app.wiring.events)
    made: dict[Any, Any] = {}
    async for page in app.running.store.read(ALL):
        fold.apply(fold.read(fold.concerning(page.events)), made)
    return {key: fold.copied(row) for key, row in made.items() if row is not None}
