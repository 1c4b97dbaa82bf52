"""Accounts, and transfers that touch two of them at once."""
# pyright: reportUnusedFunction=false

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

from whence import Aggregate, App, Index, ReadModel, command, decide, event, evolve

from ..accounts import Account, Close, Closed, Deposit, Deposited, Open, Opened


@event
class Moved:
    transfer_id: str
    between: tuple[str, str]
    amount: int


@command
class Move:
    transfer_id: str
    source: str
    target: str
    amount: int


class Transfer(Aggregate):
    done = False

    @decide
    def move(self, command: Move) -> Iterator[Moved]:
        yield Moved(command.transfer_id, (command.source, command.target), command.amount)

    @evolve
    def _(self, event: Moved) -> None:
        self.done = True


FIRST = datetime(2026, 1, 1, tzinfo=UTC)


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
        self.last = FIRST + timedelta(days=event.amount)

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
