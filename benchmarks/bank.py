"""The bank that all sides run, as whence sees it: accounts, deposits, balances.

A deposit is about 200 bytes of payload and 90 of metadata, as events in real applications are.
"""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

from benchmarks.harness import Sample, Stopwatch, Work
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
)
from whence.backends.sqlite import SqliteStore
from whence.envelope import NewEvent, new_id
from whence.store import Commit, EventStore

T = TypeVar("T")

BY, CORRELATION = "alice@example.org", "0198c2d5e1f07a3b9c4d5e6f708192a3"
NOTE = "Standing order for the rent of the flat in Winding Lane 12, third floor, paid in advance"
METADATA = json.dumps(
    {"command": "Deposit", "by": BY, "correlation": CORRELATION}, separators=(",", ":")
).encode()
MICROS = 1_764_000_000_000_000


@event
class AccountOpened:
    account_id: str
    owner: str


@event
class MoneyDeposited:
    account_id: str
    amount: int
    currency: str
    reference: str
    note: str


@command
class OpenAccount:
    account_id: str
    owner: str


@command
class Deposit:
    account_id: str
    amount: int
    currency: str
    reference: str
    note: str


class Account(Aggregate):
    opened = False
    balance = 0

    @decide
    def open(self, command: OpenAccount) -> Iterator[AccountOpened]:
        if self.opened:
            raise Rejected("The account is already open")
        yield AccountOpened(command.account_id, command.owner)

    @decide
    def deposit(self, command: Deposit) -> Iterator[MoneyDeposited]:
        if not self.opened:
            raise Rejected("There is no such account")
        yield MoneyDeposited(
            command.account_id, command.amount, command.currency, command.reference, command.note
        )

    @evolve
    def _(self, event: AccountOpened) -> None:
        self.opened = True

    @evolve
    def _(self, event: MoneyDeposited) -> None:
        self.balance += event.amount


class Balance(ReadModel):
    account_id: str
    owner: Annotated[str, Index()] = ""
    balance: int = 0

    @evolve
    def _(self, event: AccountOpened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: MoneyDeposited) -> None:
        self.balance += event.amount


def account(number: int) -> str:
    """The id of one account."""
    return f"ACC{number:06}"


def owner(number: int) -> str:
    """Whose account it is."""
    return f"Owner {number % 1000}"


def deposit(
    number: int, of: int, apart: int = 1, first: int = 0
) -> tuple[str, int, str, str, str]:
    """What deposit number ``number`` says, spread over ``of`` accounts, each so far ``apart``."""
    id = account(first + number % of * apart)
    return id, number % 97 + 1, "EUR", f"2026-11-23/{number:08}", NOTE


def deposits(count: int, of: int, start: int = 0, apart: int = 1, first: int = 0) -> list[Deposit]:
    """Commands for ``count`` deposits."""
    return [Deposit(*deposit(number, of, apart, first)) for number in range(start, start + count)]


Stored = tuple[str, int, str, bytes]
"""An event as every side keeps it: stream, version, type and payload."""


def history(events: int, accounts: int) -> Iterator[Stored]:
    """A log: every account is opened, then deposits go to them in turn."""
    yield from opened(min(accounts, events))
    yield from deposited(events - accounts, accounts, accounts)


def opened(count: int, first: int = 0) -> Iterator[Stored]:
    """The first event of each of ``count`` accounts."""
    for number in range(first, first + count):
        id = account(number)
        yield f"account-{id}", 1, "AccountOpened", _json(account_id=id, owner=owner(number))


def deposited(
    count: int, of: int, start: int = 0, apart: int = 1, before: int = 0, first: int = 0
) -> Iterator[Stored]:
    """What `deposits` lead to, in accounts that had ``before`` events when the first came."""
    for number in range(start, start + count):
        id, amount, currency, reference, note = deposit(number, of, apart, first)
        data = _json(
            account_id=id, amount=amount, currency=currency, reference=reference, note=note
        )
        yield f"account-{id}", before + number // of + 1, "MoneyDeposited", data


def fill(path: Path, events: int, accounts: int) -> None:
    """Put a log of so many events into the store at ``path``."""

    async def append() -> None:
        async with SqliteStore(path) as store:
            await fill_store(store, events, accounts)

    asyncio.run(append())


async def fill_store(store: EventStore, events: int, accounts: int) -> None:
    """Put a log of so many events into ``store``, a thousand at a time, each a commit."""
    log = history(events, accounts)
    while some := list(islice(log, 1_000)):
        await store.append(
            [
                Commit(
                    new_id(),
                    [NewEvent(type, data, stream, (), METADATA, MICROS)],
                    {stream: version - 1},
                )
                for stream, version, type, data in some
            ]
        )


def log(work: Work, events: int, accounts: int) -> Path:
    """The path of a store with such a log, which all figures of a run share."""
    path = work.shared / f"{events}-{accounts}.db"
    if not path.exists():
        fill(path, events, accounts)
    return path


def copy_of_log(work: Work, events: int, accounts: int) -> Path:
    """The path of a store with such a log, to be changed: where `running` looks for its own."""
    return Path(shutil.copy(log(work, events, accounts), work.folder / "bank.db"))


def _json(**fields: str | int) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


class Running:
    """An open application and the event loop that it lives in, which stands still in between."""

    def __init__(self, app: App, runner: asyncio.Runner) -> None:
        self.app = app
        self._runner = runner

    def run(self, work: Awaitable[T]) -> T:
        """The result of ``work``."""

        async def wrapped() -> T:
            return await work

        return self._runner.run(wrapped())

    def send(self, commands: Sequence[object], at_once: int) -> Sample:
        """How many of ``commands`` it answers in a second, so many ``at_once``."""
        with Stopwatch() as watch:
            self.run(send_all(self.app, commands, at_once))
        return watch.rate(len(commands))


async def send_all(app: App, commands: Sequence[object], at_once: int) -> None:
    """Send ``commands``, never more than ``at_once`` that wait for their answer."""
    todo = iter(commands)

    async def sender() -> None:
        for one in todo:
            receipt = await app.send(one, by=BY, correlation=CORRELATION)
            assert receipt.events

    await asyncio.gather(*(sender() for _ in range(at_once)))


@contextmanager
def running(work: Work, make: Callable[[str], App]) -> Generator[Running]:
    """An open application in the folder of ``work``; ``make`` gets the URL of its store."""
    with entered(make(f"sqlite:///{work.folder}/bank.db")) as app:
        yield app


@contextmanager
def entered(app: App) -> Generator[Running]:
    """``app``, open."""
    with asyncio.Runner() as runner:
        runner.run(app.__aenter__())
        try:
            yield Running(app, runner)
        finally:
            runner.run(app.__aexit__(None, None, None))
