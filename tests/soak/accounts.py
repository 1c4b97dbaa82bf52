"""What is done to in the soak: accounts, and what is kept of them."""

from collections.abc import Iterator

from whence import Aggregate, App, ReadModel, Rejected, command, decide, event, evolve


@event("soak-deposited")
class Deposited:
    account_id: str
    amount: int


@event("soak-withdrawn")
class Withdrawn:
    account_id: str
    amount: int


@command("soak-deposit")
class Deposit:
    account_id: str
    amount: int


@command("soak-withdraw")
class Withdraw:
    account_id: str
    amount: int


class Account(Aggregate):
    balance = 0

    @decide
    def deposit(self, command: Deposit) -> Iterator[Deposited]:
        yield Deposited(command.account_id, command.amount)

    @decide
    def withdraw(self, command: Withdraw) -> Iterator[Withdrawn]:
        if command.amount > self.balance:
            raise Rejected("Insufficient funds")
        yield Withdrawn(command.account_id, command.amount)

    @evolve
    def _(self, event: Deposited) -> None:
        self.balance += event.amount

    @evolve
    def _(self, event: Withdrawn) -> None:
        self.balance -= event.amount


class Balance(ReadModel):
    account_id: str
    balance: int = 0
    bookings: int = 0

    @evolve
    def _(self, event: Deposited) -> None:
        self.balance += event.amount
        self.bookings += 1

    @evolve
    def _(self, event: Withdrawn) -> None:
        self.balance -= event.amount
        self.bookings += 1


app = App("soak", Account, Balance)
