"""The test kit: what it lets pass, what it tells, and the three promises that it checks."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import pytest
from msgspec import Meta

from whence import Aggregate, Decider, DecisionModel, Rejected, Tag, command, decide, event, evolve
from whence.errors import WiringError
from whence.testing import given


@event
class Opened:
    account_id: Annotated[str, Tag("account")]


@event
class Deposited:
    account_id: Annotated[str, Tag("account")]
    amount: int


@event
class Noted:
    account_id: str
    what: Any


@command
class Open:
    account_id: str


@command
class Deposit:
    account_id: str
    amount: Annotated[int, Meta(gt=0)]


@command
class Note:
    account_id: str
    how: str = ""


class TooMuch(Rejected):
    pass


class Account(Aggregate):
    opened = False
    balance = 0
    log: list[str] = []
    seen: set[str] = set()

    @decide
    def open(self, command: Open) -> Iterator[object]:
        if not self.opened:
            yield Opened(self.id)

    @decide
    def deposit(self, command: Deposit) -> Iterator[object]:
        if not self.opened:
            raise Rejected("There is no such account")
        yield Deposited(self.id, command.amount)
        if self.balance > 1000:
            raise TooMuch("Nobody may have so much")

    @decide
    def note(self, command: Note) -> Iterator[object]:
        match command.how:
            case "in place":
                self.log.append("x")
                yield Noted(self.id, 1)
            case "in place, and nothing":
                self.log.append("x")
            case "in place, and refused":
                self.log.append("x")
                raise Rejected("No")
            case "a tuple":
                yield Noted(self.id, (1, 2))
            case "a lot":
                yield from [Noted(self.id, 1)] * 3
            case _:
                raise ValueError("bug")

    @evolve
    def _(self, event: Opened) -> None:
        self.opened = True
        self.seen |= set("abcdefgh")

    @evolve
    def _(self, event: Deposited) -> None:
        self.balance += event.amount


opened = given(Account, Opened("A1"))


def fails(check: Callable[[], object]) -> str:
    with pytest.raises(AssertionError) as caught:
        check()
    return str(caught.value)


def test_an_outcome_shows_what_it_is() -> None:
    assert repr(opened.when(Deposit("A1", 5))) == f"<Outcome: {[Deposited('A1', 5)]}>"
    assert repr(given(Account).when(Deposit("A1", 5))) == (
        "<Outcome: Rejected('There is no such account')>"
    )


def test_events_in_their_order_pass() -> None:
    opened.when(Deposit("A1", 5)).then(Deposited("A1", 5))
    given(Account).when(Open("A1")).then(Opened("A1"))


def test_nothing_may_be_expected() -> None:
    opened.when(Open("A1")).then()


def test_other_events_are_shown() -> None:
    assert fails(lambda: opened.when(Deposit("A1", 5)).then(Deposited("A1", 6))) == (
        "happened:\n  Deposited(account_id='A1', amount=5)\n"
        "expected:\n  Deposited(account_id='A1', amount=6)"
    )
    assert "expected:\n  nothing" in fails(lambda: opened.when(Deposit("A1", 5)).then())


def test_an_unexpected_refusal_is_told() -> None:
    told = fails(lambda: given(Account).when(Deposit("A1", 5)).then(Deposited("A1", 5)))
    assert told == "it was refused: There is no such account"


def test_a_refusal_passes_by_its_words_or_its_kind() -> None:
    refused = given(Account).when(Deposit("A1", 5))
    refused.then_rejected().then_rejected("no such").then_rejected(Rejected)
    opened.when(Deposit("A1", 1001)).then_rejected(TooMuch)


def test_another_refusal_is_told() -> None:
    refused = given(Account).when(Deposit("A1", 5))
    assert "with other words: There is no such account" in fails(
        lambda: refused.then_rejected("closed")
    )
    assert "rejected as Rejected(" in fails(lambda: refused.then_rejected(TooMuch))
    assert fails(lambda: opened.when(Deposit("A1", 5)).then_rejected()) == (
        "it was not rejected but led to these events:\n  Deposited(account_id='A1', amount=5)"
    )


def test_a_malformed_command_is_invalid_as_it_would_be_on_the_bus() -> None:
    opened.when(Deposit("A1", 0)).then_invalid("amount")
    opened.when(Deposit("", 5)).then_invalid("account_id")
    opened.when(Deposit(7, "x")).then_invalid("account_id", "amount")  # type: ignore  # pyright: ignore
    assert "amount: Expected `int` >= 1" in fails(
        lambda: opened.when(Deposit("A1", 0)).then_invalid("account_id")
    )
    assert "it was not rejected but led to Invalid: Deposit is not valid: amount" in fails(
        lambda: opened.when(Deposit("A1", 0)).then_rejected()
    )
    assert "not invalid but led to" in fails(lambda: opened.when(Open("A1")).then_invalid())


def test_the_state_afterwards_can_be_looked_at() -> None:
    opened.when(Deposit("A1", 5)).then_state(balance=5, opened=True, version=2, id="A1")
    assert "balance is 5, not 6, in <Account A1 at version 2" in fails(
        lambda: opened.when(Deposit("A1", 5)).then_state(balance=6)
    )
    assert "nothing has an attribute 'colour'" in fails(
        lambda: opened.when(Open("A1")).then_state(colour=1)
    )


def test_a_refused_command_leaves_the_state_as_it_was() -> None:
    opened.when(Deposit("A1", 1001)).then_rejected().then_state(balance=0, version=1)


def test_one_thing_leads_to_another() -> None:
    outcome = given(Account).when(Open("A1")).and_when(Deposit("A1", 5)).and_when(Deposit("A1", 7))
    outcome.then(Deposited("A1", 7)).then_state(balance=12)
    assert outcome.events == [Deposited("A1", 7)]


def test_events_that_the_aggregate_does_not_fold_may_have_happened() -> None:
    given(Account, Opened("A1"), Noted("A1", 1)).when(Note("A1", "a lot")).then(
        *[Noted("A1", 1)] * 3
    ).then_state(version=5)


def test_a_command_that_it_does_not_decide_is_told() -> None:
    @command
    class Close:
        account_id: str

    told = fails(lambda: opened.when(Close("A1")))
    assert re.search(r"Account \(.+:\d+\) does not decide Close, only Open, Deposit, Note$", told)


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="bug"):
        opened.when(Note("A1"))


@pytest.mark.parametrize("how", ["in place", "in place, and nothing", "in place, and refused"])
def test_a_decision_that_changes_state_in_place_is_found(how: str) -> None:
    told = fails(lambda: opened.when(Note("A1", how)))
    assert "changed the state itself, not by its events: <Account A1 at version" in told
    assert "log=['x']" in told


def test_an_event_that_would_not_survive_storage_is_found() -> None:
    told = fails(lambda: opened.when(Note("A1", "a tuple")))
    assert "does not come back from storage: " in told
    assert "it would come back as Noted(account_id='A1', what=[1, 2])" in told
    assert "does not come back from storage" in fails(
        lambda: given(Account, Deposited("A1", "5")).when(Open("A1"))  # type: ignore  # pyright: ignore
    )


# Deciders.


@dataclass(frozen=True)
class Lamp:
    on: bool = False
    log: list[str] = field(default_factory=list[str])


@event
class Switched:
    lamp_id: str


@command
class Switch:
    lamp_id: str
    in_place: bool = False


def switch(command: Switch, lamp: Lamp) -> list[Switched]:
    if command.in_place:
        lamp.log.append("x")
    return [Switched(command.lamp_id)]


def switched(lamp: Lamp, event: Switched) -> Lamp:
    return replace(lamp, on=not lamp.on)


lamp = Decider("lamp", Lamp(), switch, switched)


def test_deciders_are_tested_likewise() -> None:
    given(lamp, Switched("L1")).when(Switch("L1")).then(Switched("L1")).then_state(on=False)


def test_a_decider_that_changes_state_in_place_is_found() -> None:
    assert "changed the state itself" in fails(
        lambda: given(lamp).when(Switch("L1", in_place=True))
    )


# Functions that decide on several things.


@command
class Pay:
    account_id: str
    amount: int


class Balance(DecisionModel):
    account_id: Annotated[str, Tag("account")]
    total = 0
    log: list[int] = []

    @evolve
    def _(self, event: Deposited) -> None:
        self.total += event.amount


def pay(command: Pay, balance: Balance, account: Account) -> Iterator[object]:
    if not account.opened:
        raise Rejected("There is no such account")
    yield Deposited(command.account_id, -command.amount)
    if balance.total < 0:
        raise Rejected("Insufficient funds")
    if command.amount == 7:
        balance.log.append(7)


def test_functions_that_decide_are_tested_likewise() -> None:
    rich = given(pay, Opened("A1"), Deposited("A1", 10), Deposited("A2", 90), Noted("A1", 1))
    rich.when(Pay("A1", 3)).then(Deposited("A1", -3)).then_state(total=7, balance=7)
    rich.when(Pay("A1", 11)).then_rejected("Insufficient funds").then_state(total=10)
    rich.when(Pay("A1", 3)).and_when(Pay("A1", 8)).then_rejected("Insufficient funds")
    rich.when(Pay("A2", 1)).then_rejected("no such account")
    rich.when(Pay("A1", "x")).then_invalid("amount")  # type: ignore  # pyright: ignore


def test_they_have_the_same_promises() -> None:
    rich = given(pay, Opened("A1"), Deposited("A1", 10))
    assert "changed the state itself" in fails(lambda: rich.when(Pay("A1", 7)))
    assert "does not decide Open, only Pay" in fails(lambda: rich.when(Open("A1")))


def test_what_decides_nothing_cannot_be_given() -> None:
    def nothing(command: str) -> list[object]:
        return []

    with pytest.raises(
        WiringError, match=r"the decision at .+: str \(builtins\) is not a message"
    ):
        given(nothing)
