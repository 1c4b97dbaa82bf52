"""Accounts, and transfers that touch two of them at once."""
# pyright: reportUnusedFunction=false

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from whence import Aggregate, App, Index, ReadModel, command, decide, event, evolve


@event
class Opened:
    account_id: str
    owner: str


@event
class Deposited:
    account_id: str
    amount: int
    at: datetime


@event
class Closed:
    account_id: str


@event
class Moved:
    transfer_id: str
    between: tuple[str, str]
    amount: int


@command
class Open:
    account_id: str
    owner: str


@command
class Deposit:
    account_id: str
    amount: int


@command
class Close:
    account_id: str


@command
class Move:
    transfer_id: str
    source: str
    target: str
    amount: int


class Account(Aggregate):
    opened = False

    @decide
    def open(self, command: Open) -> Iterator[Opened]:
        yield Opened(command.account_id, command.owner)

    @decide
    def deposit(self, command: Deposit) -> Iterator[Deposited]:
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        yield Deposited(command.account_id, command.amount, moment)

    @decide
    def close(self, command: Close) -> Iterator[Closed]:
        yield Closed(command.account_id)

    @evolve
    def _(self, event: Opened) -> None:
        self.opened = True


class Transfer(Aggregate):
    done = False

    @decide
    def move(self, command: Move) -> Iterator[Moved]:
        yield Moved(command.transfer_id, (command.source, command.target), command.amount)

    @evolve
    def _(self, event: Moved) -> None:
        self.done = True


class Balance(ReadModel):
    account_id: str
    owner: Annotated[str, Index()] = ""
    balance: int = 0
    moves: int = 0
    last: datetime | None = None

    @evolve
    def _(self, event: Opened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: Deposited) -> None:
        self.balance += event.amount
        self.last = event.at

    @evolve(key="between")
    def _(self, event: Moved) -> None:
        self.moves += 1
        self.balance += -event.amount if event.between[0] == self.account_id else event.amount

    @evolve
    def _(self, event: Closed) -> None:
        self.delete()


app = App("accounts", Account, Transfer, Balance)


async def fill(app: App, accounts: int = 20) -> None:
    """Something of everything: accounts, deposits, transfers, and two that are closed."""
    for n in range(accounts):
        await app.send(Open(f"A{n}", f"owner {n % 3}"))
        await app.send(Deposit(f"A{n}", 10 * n))
    for n in range(accounts - 1):
        await app.send(Move(f"T{n}", f"A{n}", f"A{n + 1}", 3))
    for n in (4, 7):
        await app.send(Close(f"A{n}"))
