"""The write side of a small bank, for tests of what is made of its events."""

from collections.abc import Iterator

from whence import Aggregate, command, decide, event, evolve


@event
class Opened:
    account_id: str
    owner: str


@event
class Deposited:
    account_id: str
    amount: int


@event
class Closed:
    account_id: str


@event
class Noted:
    """Nobody makes anything of it."""

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
    def open(self, command: Open) -> Iterator[Opened]:
        yield Opened(self.id, command.owner)

    @decide
    def deposit(self, command: Deposit) -> Iterator[Deposited]:
        for _ in range(command.times):
            yield Deposited(self.id, command.amount)

    @decide
    def close(self, command: Close) -> Iterator[Closed]:
        yield Closed(self.id)

    @decide
    def note(self, command: Note) -> Iterator[Noted]:
        yield Noted(self.id)

    @evolve
    def _(self, event: Opened | Deposited | Closed | Noted) -> None: ...
