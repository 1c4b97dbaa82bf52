"""The events of one row are found without the others, and folded to the same row."""

import asyncio
from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from whence.backends.memory import MemoryStore
from whence.codec import Codec
from whence.envelope import NewEvent
from whence.errors import HandlerFailed
from whence.folds import Fold
from whence.readmodels import ReadModelSpec
from whence.store import ALL, Commit, EventQuery, Item
from whence.tracing import Trace, query_of


@event
class Opened:
    account_id: str
    owner: str


@event
class Paid:
    account_id: str
    amount: int


@event
class Moved:
    """Touches two accounts, in a stream of neither."""

    source: str
    target: str
    amount: int


@event
class Closed:
    account_id: str


@event
class Audited:
    """Changes no row, but is in the streams of accounts."""

    note: str


@event
class Joined:
    """Is in no stream, and found by its tags."""

    course_id: Annotated[str, Tag("course")]
    student_ids: Annotated[list[str], Tag("student", str.lower)]


@event
class Left:
    course_id: Annotated[str, Tag("course")]
    student_ids: list[Annotated[str, Tag("student", str.lower)]]


@command
class Open:
    account_id: str
    owner: str


@command
class Pay:
    account_id: str
    amount: int


class Account(Aggregate):
    opened = False

    @decide
    def open(self, command: Open) -> Iterator[Opened]:
        yield Opened(command.account_id, command.owner)

    @decide
    def pay(self, command: Pay) -> Iterator[Paid]:
        yield Paid(command.account_id, command.amount)

    @evolve
    def _(self, event: Opened) -> None:
        self.opened = True

    @evolve
    def _(self, event: Paid | Closed) -> None:
        pass


def both(event: Moved) -> list[str]:
    return [event.source, event.target]


class Balance(ReadModel):
    account_id: str
    owner: str = ""
    amounts: list[int] = []

    @evolve
    def _(self, event: Opened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: Paid) -> None:
        self.amounts.append(event.amount)

    @evolve
    def _(self, event: Closed) -> None:
        self.delete()


class Movement(ReadModel):
    """Found by types alone, as far as it is moved."""

    account_id: str
    total: int = 0

    @evolve
    def _(self, event: Paid) -> None:
        self.total += event.amount

    @evolve(key=both)
    def _(self, event: Moved) -> None:
        self.total += event.amount if self.account_id == event.target else -event.amount


class Course(ReadModel, key="course_id"):
    course_id: str
    students: list[str] = []

    @evolve
    def _(self, event: Joined) -> None:
        self.students = [*self.students, *event.student_ids]

    @evolve
    def _(self, event: Left) -> None:
        self.students = [one for one in self.students if one not in event.student_ids]
        if not self.students:
            self.delete()


class Student(ReadModel):
    student_id: str
    courses: list[str] = []

    @evolve(key="student_ids")
    def _(self, event: Joined) -> None:
        self.courses = [*self.courses, event.course_id]

    @evolve(key="student_ids")
    def _(self, event: Left) -> None:
        self.courses = [one for one in self.courses if one != event.course_id]


class Owner(ReadModel):
    """By a field that is no id."""

    owner: str
    accounts: int = 0

    @evolve
    def _(self, event: Opened) -> None:
        self.accounts += 1


app = App("bank", Account, Balance, Movement, Course, Student, Owner)
app.wiring.events.form(Audited)
SPECS = {spec.cls: spec for spec in app.wiring.specs()}


def spec_of(model: type[ReadModel], *parts: Any) -> ReadModelSpec[Any]:
    (spec,) = App("other", model, *parts).wiring.specs()
    return spec


def types(*events: str) -> Item:
    return Item(frozenset(events))


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


_accounts = st.sampled_from(["A1", "A2", "a1", ""])
_students = st.lists(st.sampled_from(["Ann", "ann", "Ben"]), max_size=2)
_courses = st.sampled_from(["C1", "C2"])
_events = st.one_of(
    st.builds(Opened, _accounts, st.sampled_from(["ann", "ben"])),
    st.builds(Paid, _accounts, st.integers(-5, 5)),
    st.builds(Closed, _accounts),
    st.builds(Moved, _accounts, _accounts, st.integers(1, 5)),
    st.builds(Joined, _courses, _students),
    st.builds(Left, _courses, _students),
)
Placed = tuple[str | None, object]
"""An event, and the account in whose stream it is, if the event does not say it."""
_placed = st.one_of(
    st.tuples(st.none(), _events), st.tuples(_accounts, st.just(Audited("all is well")))
)


def _new(codec: Codec, placed: Placed) -> NewEvent:
    """An event as the application puts it into the store."""
    account, happened = placed
    if isinstance(happened, (Opened, Paid, Closed)):
        account = happened.account_id
    form = codec.form(type(happened))
    stream = "" if account is None else f"account-{account}"
    return NewEvent(form.message.word, form.keep(happened), stream, form.tags(happened))


async def _filled(placed: list[Placed]) -> MemoryStore:
    store = MemoryStore()
    events = [_new(app.wiring.events, one) for one in placed]
    await store.append([Commit(f"c{n}", [event]) for n, event in enumerate(events)])
    return store


@given(placed=st.lists(_placed, max_size=30), data=st.data())
def test_one_row_is_what_the_whole_fold_makes_of_it(placed: list[Placed], data: Any) -> None:
    asyncio.run(_compare(placed, data.draw(st.integers(0, len(placed)))))


async def _compare(placed: list[Placed], until: int) -> None:
    store = await _filled(placed)
    log = [event async for page in store.read(ALL) for event in page.events]
    for spec in SPECS.values():
        fold = Fold(spec, app.wiring.events)
        rows: dict[Any, Any] = {}
        fold.apply(fold.read(fold.concerning(log[:until])), rows)
        for key in {*rows, "A1", "C1", "Ann", "nobody"}:
            for wide in (False, True):
                trace = Trace(store, fold, key, wide=wide)
                assert await trace.row(until=until) == rows.get(key), (spec.name, key, wide)


async def test_what_is_skipped_is_left_out_of_its_row_alone() -> None:
    store = await _filled([(None, Moved("A1", "A2", 5)), (None, Paid("A1", 1))])
    fold = Fold(SPECS[Movement], app.wiring.events)
    skipped = frozenset({("A1", 1)})

    one = await Trace(store, fold, "A1", skipped).row()
    other = await Trace(store, fold, "A2", skipped).row()

    assert one is not None
    assert other is not None
    assert (one.total, other.total) == (1, 5)


async def test_a_page_that_goes_beyond_the_position_is_cut() -> None:
    store = await _filled([(None, Paid("A1", 1))] * 2_500)
    fold = Fold(SPECS[Balance], app.wiring.events)

    row = await Trace(store, fold, "A1").row(until=1_001)

    assert row is not None
    assert len(row.amounts) == 1_001


async def test_an_event_that_cannot_be_folded_is_named() -> None:
    class Wrong(ReadModel):
        account_id: str
        amount: int = 0

        @evolve
        def _(self, event: Paid) -> None:
            self.amount += 1 // event.amount

    store = await _filled([(None, Paid("A1", 1)), (None, Paid("A1", 0))])

    with pytest.raises(HandlerFailed) as failed:
        await Trace(store, Fold(spec_of(Wrong), app.wiring.events), "A1").row()
    assert failed.value.position == 2
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
