"""Where the events of one row are looked for: in streams, by tags, or by their types."""

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import pytest

from whence import (
    Aggregate,
    App,
    Decider,
    DecisionModel,
    ReadModel,
    Tag,
    command,
    decide,
    event,
    evolve,
)
from whence.store import EventQuery, Item
from whence.tracing import query_of

from .traced import (
    SPECS,
    Account,
    Audited,
    Balance,
    Closed,
    Course,
    Movement,
    Paid,
    Pay,
    Student,
    spec_of,
    types,
)


def test_the_row_of_an_aggregate_is_in_its_stream() -> None:
    query = query_of(SPECS[Balance], "A1")

    assert query == EventQuery((Item(stream="account-A1"),))


def test_a_row_whose_keys_are_tags_is_found_by_the_tag() -> None:
    by_course = Item(frozenset({"Joined", "Left"}), frozenset({"course:C1"}))
    by_student = Item(frozenset({"Joined", "Left"}), frozenset({"student:ann"}))

    assert query_of(SPECS[Course], "C1") == EventQuery((by_course,))
    assert query_of(SPECS[Student], "Ann") == EventQuery((by_student,))


def test_what_a_function_finds_is_found_by_its_type() -> None:
    query = query_of(SPECS[Movement], "A1")

    assert query == EventQuery((Item(stream="account-A1"), types("Moved")))


def test_what_no_aggregate_folds_is_found_by_its_type() -> None:
    spec = spec_of(Balance)

    assert query_of(spec, "A1") == EventQuery((types("Opened", "Paid", "Closed"),))


def test_a_wide_query_trusts_neither_streams_nor_tags() -> None:
    stream = Item(stream="account-A1")

    assert query_of(SPECS[Course], "C1", wide=True) == EventQuery((types("Joined", "Left"),))
    assert query_of(SPECS[Balance], "A1", wide=True) == EventQuery(
        (stream, types("Opened", "Paid", "Closed"))
    )


@pytest.mark.parametrize("key", ["a\0b", "\ud800", "x" * 501])
def test_a_key_that_no_store_can_keep_has_no_events(key: str) -> None:
    assert query_of(SPECS[Balance], key) is None


def test_an_event_that_other_aggregates_fold_may_be_in_their_streams() -> None:
    class Branch(Aggregate):
        paid = 0

        @evolve
        def _(self, event: Paid) -> None:
            self.paid += event.amount

    query = query_of(spec_of(Balance, Account, Branch), "A1")

    assert query == EventQuery((Item(stream="account-A1"), types("Paid")))


def test_an_event_that_two_kinds_of_streams_hold_is_looked_for_in_both() -> None:
    class Loan(Aggregate, id="account_id"):
        paid = 0

        @evolve
        def _(self, event: Paid) -> None:
            self.paid += event.amount

    query = query_of(spec_of(Balance, Account, Loan), "A1")

    assert query == EventQuery((Item(stream="account-A1"), Item(stream="loan-A1")))


def test_the_stream_may_be_named_by_another_field_than_the_key() -> None:
    class Folder(ReadModel):
        id: str
        paid: int = 0

        @evolve(key="account_id")
        def _(self, event: Paid) -> None:
            self.paid += event.amount

    query = query_of(spec_of(Folder, Account), "A1")

    assert query == EventQuery((Item(frozenset({"Paid"}), stream="account-A1"),))


def test_a_decider_has_streams_too() -> None:
    def decide_(command: Pay, state: int) -> list[Paid]:
        return [Paid(command.account_id, command.amount)]

    def evolve_(state: int, event: Paid) -> int:
        return state + event.amount

    class Sum(ReadModel):
        account_id: str
        paid: int = 0

        @evolve
        def _(self, event: Paid) -> None:
            self.paid += event.amount

    decider = Decider("purse", 0, decide_, evolve_, id="account_id")

    assert query_of(spec_of(Sum, decider), "A1") == EventQuery((Item(stream="purse-A1"),))


class Payments(DecisionModel):
    count = 0

    @evolve
    def _(self, event: Paid) -> None:
        self.count += 1


@command
class PayTwice:
    account_id: str
    amount: int


def within(command: PayTwice, account: Account) -> Iterator[object]:
    yield Paid(command.account_id, command.amount)


def elsewhere(command: PayTwice, payments: Payments) -> Iterator[object]:
    yield Paid(command.account_id, command.amount)


def said(command: PayTwice, payments: Payments) -> Iterator[Closed | Audited]:
    yield Closed(command.account_id)


def listed(command: PayTwice, payments: Payments) -> tuple[Paid, Closed]:
    return Paid(command.account_id, command.amount), Closed(command.account_id)


WHOLE = Item(stream="account-A1")


@pytest.mark.parametrize(
    ("decision", "items"),
    [
        (within, (WHOLE,)),
        (elsewhere, (WHOLE, types("Opened", "Paid", "Closed"))),
        (said, (WHOLE, types("Closed"))),
        (listed, (WHOLE, types("Paid", "Closed"))),
    ],
)
def test_a_decision_that_may_put_it_elsewhere_makes_it_be_found_by_its_type(
    decision: Any, items: tuple[Item, ...]
) -> None:
    other = App("other", Account, Balance)
    other.decides(decision)
    (spec,) = other.wiring.specs()

    assert query_of(spec, "A1") == EventQuery(items)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@event
class Seen:
    colour: Annotated[Colour, Tag("colour")]
    number: int
    size: Annotated[float, Tag("size")]
    mood: Annotated[Literal["good", "bad"], Tag("mood")]


@command
class See:
    number: int


@command
class SeeText:
    number: str


class ByColour(ReadModel):
    colour: Colour
    times: int = 0

    @evolve
    def _(self, event: Seen) -> None:
        self.times += 1


class ByMood(ReadModel):
    mood: Literal["good", "bad"]
    times: int = 0

    @evolve
    def _(self, event: Seen) -> None:
        self.times += 1


class BySize(ReadModel):
    size: float
    times: int = 0

    @evolve
    def _(self, event: Seen) -> None:
        self.times += 1


class ByNumber(ReadModel):
    number: int
    times: int = 0

    @evolve
    def _(self, event: Seen) -> None:
        self.times += 1


@pytest.mark.parametrize(
    ("model", "key", "tag"),
    [
        (ByColour, Colour.RED, "colour:red"),
        (ByMood, "good", "mood:good"),
        (BySize, 1.0, None),  # 1.0 equals 1, but is written otherwise
        (ByNumber, 7, None),
    ],
)
def test_a_tag_counts_if_equal_keys_have_the_same_text(
    model: type[ReadModel], key: object, tag: str | None
) -> None:
    tags = frozenset({tag}) if tag else frozenset[str]()

    assert query_of(spec_of(model), key) == EventQuery((Item(frozenset({"Seen"}), tags),))


class Thing(Aggregate, id="number"):
    seen = 0

    @decide
    def see(self, command: See) -> list[object]:
        return []

    @evolve
    def _(self, event: Seen) -> None:
        self.seen += 1


class TextThing(Aggregate, id="number", category="thing"):
    seen = 0

    @decide
    def see(self, command: SeeText) -> list[object]:
        return []

    @evolve
    def _(self, event: Seen) -> None:
        self.seen += 1


@pytest.mark.parametrize(("thing", "in_stream"), [(Thing, True), (TextThing, False)])
def test_a_number_is_the_name_of_a_stream_if_the_commands_say_a_number(
    thing: type[Aggregate], in_stream: bool
) -> None:
    stream = Item(stream="thing-7")
    items = (stream,) if in_stream else (stream, types("Seen"))

    assert query_of(spec_of(ByNumber, thing), 7) == EventQuery(items)
