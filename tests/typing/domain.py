"""What type checkers know about a domain: `mypy` and `pyright` read this, nobody runs it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, assert_type

import attrs
import msgspec
import pydantic

from whence import (
    Aggregate,
    App,
    Decider,
    DecisionModel,
    ReadModel,
    Receipt,
    command,
    decide,
    event,
    evolve,
    query,
)
from whence.history import Changed, History, Past
from whence.queries import Rows
from whence.sync import SyncApp, SyncHistory, SyncRows
from whence.testing import given


@event
class Opened:
    account_id: str
    owner: str = ""
    tags: list[str] = field(default_factory=list[str])


@event("money-deposited", version=2)
class Deposited:
    account_id: str
    amount: int


@command
class Open:
    account_id: str
    owner: str


@command()
class Deposit:
    account_id: str
    amount: int


@query
class Find:
    owner: str
    limit: int = 10


class Account(Aggregate, id="account_id", snapshot_every=10):
    balance = 0
    owner: str | None = None

    @decide
    def open(self, command: Open) -> Iterator[Opened]:
        assert_type(self.balance, int)
        assert_type(self.id, str)
        assert_type(self.version, int)
        yield Opened(command.account_id, command.owner)

    @decide
    def deposit(self, command: Deposit) -> list[Deposited]:
        return [Deposited(command.account_id, command.amount)]

    @evolve
    def _(self, event: Opened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: Deposited) -> None:
        self.balance += event.amount


class Balance(ReadModel):
    account_id: str
    owner: str = ""
    balance: int = 0

    @evolve(key="account_id")
    def _(self, event: Opened) -> None:
        self.owner = event.owner

    @evolve(key=lambda event: [event.account_id])
    def _(self, event: Deposited) -> None:
        self.balance += event.amount


class Owners(DecisionModel):
    names: set[str] = set()

    @evolve
    def _(self, event: Opened) -> None:
        self.names.add(event.owner)


@dataclass(frozen=True)
class Lamp:
    on: bool = False


def switch(command: Open, lamp: Lamp) -> Iterator[Opened]:
    yield Opened(command.account_id)


def switched(lamp: Lamp, event: Opened) -> Lamp:
    return Lamp(not lamp.on)


lamp = Decider("lamp", Lamp(), switch, switched)
app = App("bank", Account, Balance, lamp)


@app.decides
def rename(command: Find, owners: Owners, account: Account) -> Iterator[object]:
    assert_type(owners.names, set[str])
    yield Opened("A1")


@app.answers
async def find(query: Find, app: App) -> list[Balance]:
    return await app.read(Balance).where(owner=query.owner).limit(query.limit)


def decorated_classes_keep_their_constructors() -> None:
    opened = Opened("A1", "ann")
    assert_type(opened, Opened)
    assert_type(opened.owner, str)
    assert_type(opened.tags, list[str])
    assert_type(Deposited("A1", 5).amount, int)
    assert_type(Open(account_id="A1", owner="ann"), Open)
    assert_type(Find("ann").limit, int)
    assert_type(rename(Find("ann"), Owners(), Account("A1")), Iterator[object])
    Opened()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Opened("A1", 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    opened.owner = "bob"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def other_kinds_of_classes_stay_what_they_are() -> None:
    @event
    class Struct(msgspec.Struct, frozen=True):
        n: int

    @event
    @attrs.frozen
    class Attrs:
        n: int

    @event
    @dataclass(frozen=True)
    class Data:
        n: int

    class Model(pydantic.BaseModel):
        n: int

    assert_type(Struct(1).n, int)
    assert_type(Attrs(1).n, int)
    assert_type(Data(1).n, int)
    assert_type(event(Model), type[Model])
    assert_type(event(Model)(n=1).n, int)


async def verbs_are_typed() -> None:
    assert_type(await app.send(Open("A1", "ann"), by="ann", id="o1", version=0), Receipt)
    assert_type(app.read(Balance), Rows[Balance])
    assert_type(await app.read(Balance).get("A1"), Balance | None)
    assert_type(await app.read(Balance).where(owner="ann").order_by("-balance"), list[Balance])
    assert_type(await app.read(Balance).first(), Balance | None)
    assert_type(await app.read(Balance).count(), int)
    assert_type(app.history(Account, "A1"), History[Account])
    assert_type(await app.history(Account, "A1").at("2026-11-01"), Account)
    assert_type(await app.history(Account, "A1").at(date(2026, 11, 1)), Account)
    assert_type(await app.history(Account, "A1").at(version=3), Account)
    assert_type(await app.history(lamp, "L1").now(), Lamp)
    assert_type(await app.history(Account, "A1").diff(1, 2), list[Changed])
    assert_type(app.history(Account, "A1").events(after=1, limit=2), AsyncIterator[Past])
    assert_type(app.history("account", "A1"), History[Any])
    await app.send(Open("A1", "ann"), who="ann")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await app.send(Open("A1", "ann"), version="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with app as opened:
        assert_type(opened, App)


def blocking_verbs_are_typed() -> None:
    with app.sync as bank:
        assert_type(bank, SyncApp)
        assert_type(bank.send(Open("A1", "ann"), by="ann"), Receipt)
        assert_type(bank.read(Balance), SyncRows[Balance])
        assert_type(bank.read(Balance).get("A1"), Balance | None)
        assert_type(bank.read(Balance).where(owner="ann").all(), list[Balance])
        assert_type(bank.history(Account, "A1"), SyncHistory[Account])
        assert_type(bank.history(Account, "A1").at(3), Account)
        assert_type(bank.history(lamp, "L1").now(), Lamp)
        assert_type(bank.history(Account, "A1").events(), list[Past])


def the_test_kit_takes_all_that_decide() -> None:
    given(Account, Opened("A1"), Deposited("A1", 5)).when(Deposit("A1", 5)).then(
        Deposited("A1", 5)
    )
    given(lamp, Opened("L1")).when(Open("L1", "")).then_rejected("no")
    given(rename, Opened("A1")).when(Find("ann")).then_state(names={"ann"})


def what_is_no_part_is_refused() -> None:
    App("bank", Opened)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    App("bank", Account("A1"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
