"""Objects to bytes and back, and messages from outside: whatever the class, nothing changes."""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pydantic
import pytest
from annotated_types import Gt
from pydantic.dataclasses import dataclass as pydantic_dataclass

from whence import Invalid, Tag, command, event
from whence.codec import Codec, Form, to_builtins
from whence.envelope import Recorded
from whence.errors import Undecodable, UnknownType, Unstorable, WiringError
from whence.messages import describe

T = TypeVar("T")


def form(cls: type[Any]) -> Form:
    return Form(describe(cls))


def holding(hint: Any) -> type[Any]:
    """An event class with one field that is annotated so."""
    made = type("Holding", (), {"__annotations__": {"it": hint}, "__module__": __name__})
    return event(made)


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: int = 0


class Address(TypedDict):
    street: str
    number: int


@dataclass(frozen=True)
class Tree:
    name: str
    branches: "tuple[Tree, ...]" = ()


@dataclass(frozen=True)
class Pair(Generic[T]):
    one: T
    other: T


UserId = NewType("UserId", str)

KEPT: list[tuple[Any, Any]] = [
    (str, "text with \0, \N{GRINNING FACE} and \u2028"),
    (int, 2**200),
    (int, -(2**63)),
    (bool, True),
    (float, 0.1),
    (float, -0.0),
    (float, 5e-324),
    (bytes, bytes(range(256))),
    (None, None),
    (UUID, UUID(int=7)),
    (Decimal, Decimal("1.10")),
    (date, date(2026, 11, 1)),
    (time, time(9, 30, 1, 5)),
    (timedelta, timedelta(days=-1, microseconds=7)),
    (datetime, datetime(2026, 11, 1, 9, 30, 0, 123456)),
    (datetime, datetime(2026, 11, 1, 9, 30, tzinfo=UTC)),
    (datetime, datetime(2026, 11, 1, 9, 30, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
    (Level, Level.HIGH),
    (Colour, Colour.BLUE),
    (Literal["a", 1], 1),
    (UserId, "u1"),
    (Point, Point(1, 2)),
    (Address, {"street": "Elm", "number": 7}),
    (Tree, Tree("root", (Tree("leaf"), Tree("twig", (Tree("bud"),))))),
    (Pair[Colour], Pair(Colour.RED, Colour.BLUE)),
    (list[int], [1, 2, 3]),
    (tuple[int, str], (1, "a")),
    (tuple[Decimal, ...], (Decimal("1.0"), Decimal("2"))),
    (set[str], {"a", "b"}),
    (frozenset[Level], frozenset({Level.LOW})),
    (dict[int, str], {1: "a", -2: "b"}),
    (dict[UUID, list[date]], {UUID(int=1): [date(2026, 1, 1)]}),
    (dict[Colour, int], {Colour.RED: 1}),
    (Mapping[str, int], {"a": 1}),
    (Sequence[int], [1]),
    (int | str, "5"),
    (int | str, 5),
    (int | float, 5.0),
    (str | None, None),
    (Tree | None, Tree("t")),
    (list[Tree | None], [None, Tree("t")]),
    (Annotated[int, msgspec.Meta(ge=0)], 3),
    (Any, {"a": [1, "b", None, True, 2.5]}),
]


@pytest.mark.parametrize(("hint", "value"), KEPT)
def test_a_value_comes_back_as_it_was(hint: Any, value: Any) -> None:
    cls = holding(hint)
    back = form(cls).decode(form(cls).keep(cls(value))).it
    assert back == value
    assert type(back) is type(value)


def test_a_zone_comes_back_as_its_offset_and_the_moment_stays() -> None:
    cls = holding(datetime)
    summer = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    back = form(cls).decode(form(cls).keep(cls(summer))).it
    assert back == summer
    assert back.isoformat() == summer.isoformat() == "2026-07-01T12:00:00+02:00"


@pytest.mark.parametrize("fold", [0, 1])
def test_an_hour_that_clocks_show_twice_can_be_stored(fold: int) -> None:
    cls = holding(datetime)
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)
    back = form(cls).decode(form(cls).keep(cls(twice))).it
    assert back.astimezone(UTC) == twice.astimezone(UTC)


CHANGED: list[tuple[Any, Any]] = [
    (float, math.nan),
    (float | None, math.nan),
    (float | None, math.inf),
    (int, 0.5),
    (int, True),
    (bool, 1),
    (str, None),
    (str, "\ud800"),
    (Any, (1, 2)),
    (Any, {1: 2}),
    (Any, {1, 2}),
    (Any, UUID(int=1)),
    (Any, Point(1, 2)),
    (Sequence[int], (1,)),
    (list[int], (1,)),
    (list[int], [1, "2"]),
    (UUID, "00000000-0000-0000-0000-000000000001"),
    (date, datetime(2026, 11, 1)),
    (Colour, "red"),
    (Decimal, 0.1),
    (Tree, {"name": "t"}),
    (Annotated[int, msgspec.Meta(ge=0)], -1),
    (datetime, datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=7)))),
]


@pytest.mark.parametrize(("hint", "value"), CHANGED)
def test_an_event_that_would_come_back_changed_is_not_stored(hint: Any, value: Any) -> None:
    cls = holding(hint)
    with pytest.raises(Unstorable, match=r"cannot be stored: .+ Nothing was stored"):
        form(cls).keep(cls(value))


def test_an_unstorable_event_names_itself_its_class_and_the_difference() -> None:
    cls = holding(Any)
    with pytest.raises(Unstorable) as caught:
        form(cls).keep(cls((1, 2)))
    assert str(caught.value) == (
        f"Holding(it=(1, 2)) cannot be stored: it would come back as Holding(it=[1, 2])."
        f" Its class is Holding ({describe(cls).where}): what a decision yields must fit the"
        " annotations there. Nothing was stored"
    )


def test_a_class_that_does_not_say_what_equal_means_is_compared_by_its_fields() -> None:
    @event
    @attrs.define(eq=False)
    class Incomparable:
        it: list[int]

    kept = form(Incomparable).keep(Incomparable([1]))
    assert form(Incomparable).decode(kept).it == [1]


def test_a_class_that_changes_when_it_is_read_again_is_not_stored() -> None:
    @dataclass
    class Doubled:
        amount: int

        def __post_init__(self) -> None:
            self.amount *= 2

    event(Doubled)
    with pytest.raises(Unstorable, match=r"come back as .*Doubled\(amount=8\)"):
        form(Doubled).keep(Doubled(2))


def test_a_field_that_is_not_given_when_one_is_made_is_kept() -> None:
    @dataclass
    class Counted:
        name: str
        count: int = field(init=False, default=0)

    event(Counted)
    counted = Counted("a")
    counted.count = 7
    assert form(Counted).decode(form(Counted).keep(counted)) == counted


def test_fields_may_be_called_otherwise_in_json() -> None:
    @event
    class Renamed(msgspec.Struct, rename="camel", tag=True, omit_defaults=True):
        first_name: str
        last_name: str = ""

    kept = form(Renamed).keep(Renamed("ann"))
    assert kept == b'{"type":"Renamed","firstName":"ann"}'
    assert form(Renamed).decode(kept) == Renamed("ann")
    assert form(Renamed).convert({"first_name": "ann"}) == Renamed("ann")


class Plain:
    pass


@dataclass
class Wraps:
    inner: Plain


UNKNOWN: list[tuple[Any, str]] = [
    (Plain, "Plain cannot be stored; make it a dataclass, msgspec Struct, attrs class or"),
    (list[Plain] | None, "Plain cannot be stored"),
    (dict[str, Plain], "Plain cannot be stored"),
    (Wraps, "Plain cannot be stored"),
    (complex, "complex cannot be stored"),
    (object, "object cannot be stored"),
    (deque[int], "deque cannot be stored"),
    (Callable[[], int], "Callable"),
    (dict[tuple[int, int], int], "keys of a dict are texts, numbers, dates or the like"),
    (list[dict[bool, int]], "keys of a dict are texts"),
    (dict[Tree, int], "keys of a dict are texts"),
    (Tree | Wraps, "may not contain more than one dataclass or attrs type"),
    (Annotated[int, Gt(0)], r"nobody heeds Gt\(gt=0\) there: say it with msgspec.Meta"),
    (list[Annotated[int, pydantic.Field(gt=0)]], "nobody heeds FieldInfo"),
]


@pytest.mark.parametrize(("hint", "problem"), UNKNOWN)
def test_a_field_that_cannot_be_stored_is_refused_at_start(hint: Any, problem: str) -> None:
    cls = holding(hint)
    with pytest.raises(WiringError, match=problem) as caught:
        form(cls)
    assert str(caught.value).startswith(f"event Holding ({__file__}:")
    assert ": field it: " in str(caught.value)


def test_what_is_only_there_while_one_is_made_is_refused_at_start() -> None:
    @event
    @dataclass
    class Passing:
        seed: InitVar[int]
        n: int = 0

    with pytest.raises(WiringError, match="InitVar"):
        form(Passing)


def test_an_enum_of_other_things_than_texts_and_numbers_is_refused_at_start() -> None:
    class Odd(Enum):
        PAIR = (1, 2)

    with pytest.raises(WiringError, match="Enums must contain either all str or all int values"):
        form(holding(Odd))


class Struct(msgspec.Struct):
    n: int


def test_a_struct_in_a_pydantic_model_is_refused_at_start() -> None:
    class Model(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        several: list[Struct]

    with pytest.raises(WiringError, match="Pydantic cannot read the Struct in it: make Model a"):
        form(event(Model))


# What Pydantic says about its classes is heeded, also where they stand inside others.


@pydantic_dataclass(frozen=True)
class Line:
    dish: str = pydantic.Field(min_length=2)
    price: int = pydantic.Field(gt=0)
    parts: "list[Line]" = pydantic.Field(default_factory=list["Line"])

    @pydantic.field_validator("dish")
    @classmethod
    def lower(cls, dish: str) -> str:
        return dish.lower()


@command
@dataclass(frozen=True)
class PlaceOrder:
    table: str
    lines: tuple[Line, ...]
    extra: Line | None = None
    named: dict[str, Line] = field(default_factory=dict[str, Line])


@command
class PlaceStructOrder(msgspec.Struct, frozen=True):
    lines: list[Line]


@command
@attrs.frozen
class PlaceAttrsOrder:
    order: PlaceOrder


def test_the_constraints_of_a_nested_pydantic_dataclass_hold_from_outside() -> None:
    good: dict[str, Any] = {"dish": "Soup", "price": 5}
    bad = good | {"price": -5}
    cases: list[tuple[type[Any], dict[str, Any]]] = [
        (PlaceOrder, {"table": "1", "lines": [good, bad]}),
        (PlaceOrder, {"table": "1", "lines": [], "extra": bad}),
        (PlaceOrder, {"table": "1", "lines": [], "named": {"a": bad}}),
        (PlaceOrder, {"table": "1", "lines": [good | {"parts": [bad]}]}),
        (PlaceStructOrder, {"lines": [bad]}),
        (PlaceAttrsOrder, {"order": {"table": "1", "lines": [bad]}}),
    ]
    for cls, values in cases:
        with pytest.raises(Invalid, match="price: Input should be greater than 0"):
            form(cls).convert(values)
    made = form(PlaceAttrsOrder).convert({"order": {"table": "1", "lines": [good]}})
    assert made.order.lines == (Line("soup", 5),)


def test_the_constraints_of_a_nested_pydantic_dataclass_hold_when_it_is_read() -> None:
    placed = form(PlaceStructOrder)
    assert placed.decode(b'{"lines":[{"dish":"SOUP","price":5}]}').lines == [Line("soup", 5)]
    with pytest.raises(ValueError, match="greater than 0"):
        placed.decode(b'{"lines":[{"dish":"soup","price":-5}]}')


def test_a_pydantic_class_is_stored_by_its_fields_names_whatever_its_aliases() -> None:
    class Inner(pydantic.BaseModel):
        first_name: str = pydantic.Field(alias="firstName")

    class Aliased(pydantic.BaseModel):
        account_id: str = pydantic.Field(alias="accountId")
        inner: Inner

        @pydantic.computed_field  # type: ignore[prop-decorator]
        @property
        def shout(self) -> str:
            return self.account_id.upper()

    event(Aliased)

    @event
    class Around(msgspec.Struct):
        inner: Inner

    inner = Inner(firstName="ann")
    aliased = Aliased(accountId="a", inner=inner)
    kept = form(Aliased).keep(aliased)
    assert kept == b'{"account_id":"a","inner":{"first_name":"ann"}}'
    assert form(Aliased).decode(kept) == aliased
    assert form(Aliased).convert({"account_id": "a", "inner": {"first_name": "ann"}}) == aliased
    assert form(Around).decode(form(Around).keep(Around(inner))) == Around(inner)


def test_a_strict_pydantic_class_comes_back_too() -> None:
    @event
    class Strict(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(strict=True, frozen=True)
        id: UUID
        at: datetime
        parts: tuple[int, ...]
        seen: frozenset[str]
        price: Decimal

    @event
    class Around(msgspec.Struct):
        inner: Strict

    strict = Strict(
        id=UUID(int=3),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        parts=(1, 2),
        seen=frozenset({"a"}),
        price=Decimal("1.10"),
    )
    assert form(Strict).decode(form(Strict).keep(strict)) == strict
    assert form(Around).decode(form(Around).keep(Around(strict))) == Around(strict)


def test_what_pydantic_would_lose_is_not_stored() -> None:
    @event
    class Lossy(pydantic.BaseModel):
        secret: str = pydantic.Field(default="", exclude=True)
        data: bytes = b""
        ratio: float = 0.0

    assert form(Lossy).keep(Lossy(data=b"text", ratio=0.5))
    for lossy in (Lossy(secret="s"), Lossy(data=b"\xff"), Lossy(ratio=math.nan)):
        with pytest.raises(Unstorable):
            form(Lossy).keep(lossy)


# Messages from outside.


@command
class Transfer:
    account_id: str
    amount: Annotated[int, msgspec.Meta(gt=0)]
    to: UUID
    at: datetime
    tags: list[str] = field(default_factory=list[str])


GOOD: dict[str, Any] = {
    "account_id": "ACC1",
    "amount": 5,
    "to": "00000000-0000-0000-0000-000000000001",
    "at": "2026-11-01T09:30:00Z",
}


def test_a_message_is_made_of_what_json_can_say() -> None:
    made = form(Transfer).convert(GOOD, strict=True)
    assert made == Transfer("ACC1", 5, UUID(int=1), datetime(2026, 11, 1, 9, 30, tzinfo=UTC))


def test_all_bad_fields_are_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        form(Transfer).convert({"amount": -1, "to": "x", "tags": [1], "colour": "red", "at": ""})
    assert caught.value.fields == {
        "colour": "no such field",
        "account_id": "is missing",
        "amount": "Expected `int` >= 1",
        "to": "Invalid UUID",
        "at": "Invalid RFC3339 encoded datetime",
        "tags": "Expected `str`, got `int` - at `$[0]`",
    }
    assert str(caught.value).startswith("Transfer is not valid: colour: no such field; account_id")


def test_text_stands_for_numbers_only_where_a_form_is_read() -> None:
    assert form(Transfer).convert(GOOD | {"amount": "5"}).amount == 5
    with pytest.raises(Invalid, match="amount: Expected `int`, got `str`"):
        form(Transfer).convert(GOOD | {"amount": "5"}, strict=True)


def test_a_pydantic_command_from_outside_names_all_bad_fields_too() -> None:
    @command("pay-bill")
    class Pay(pydantic.BaseModel):
        bill: str
        line: Line
        amount: int = pydantic.Field(gt=0)

    with pytest.raises(Invalid) as caught:
        form(Pay).convert({"amount": 0, "line": {"dish": "x", "price": 0}, "no": 1})
    assert caught.value.fields == {
        "no": "no such field",
        "bill": "Field required",
        "line.dish": "String should have at least 2 characters",
        "line.price": "Input should be greater than 0",
        "amount": "Input should be greater than 0",
    }
    assert str(caught.value).startswith("pay-bill is not valid: ")
    good = {"bill": "b", "line": {"dish": "xy", "price": 1}, "amount": 1}
    assert form(Pay).convert(good) == Pay(bill="b", line=Line("xy", 1), amount=1)


def test_what_a_class_checks_itself_is_heeded() -> None:
    @command
    @attrs.frozen
    class Book:
        seats: int = attrs.field(validator=attrs.validators.lt(5))

    with pytest.raises(Invalid) as caught:
        form(Book).convert({"seats": 7})
    assert caught.value.fields == {"message": "'seats' must be < 5: 7"}


# Commands that code has made are looked at too.


def test_a_command_that_fits_its_annotations_passes() -> None:
    form(Transfer).check(form(Transfer).convert(GOOD))


@pytest.mark.parametrize(
    ("field_name", "value", "problem"),
    [
        ("account_id", None, "Expected `str`, got `null`"),
        ("amount", "5", "Expected `int`, got `str`"),
        ("amount", 0, "Expected `int` >= 1"),
        ("to", "00000000-0000-0000-0000-000000000001", "Expected `UUID`, got `str`"),
        ("at", "2026-11-01T09:30:00Z", "Expected `datetime`, got `str`"),
        ("tags", ("a",), "Expected `list[str]`, got `tuple`"),
        ("tags", ["a", 1], "Expected `str`, got `int` - at `$[1]`"),
        ("tags", [object()], "cannot store a object"),
    ],
)
def test_a_command_that_does_not_fit_is_invalid(field_name: str, value: Any, problem: str) -> None:
    made = form(Transfer).convert(GOOD)
    broken = Transfer(**{**to_fields(made), field_name: value})
    with pytest.raises(Invalid) as caught:
        form(Transfer).check(broken)
    assert caught.value.fields == {field_name: problem}


def to_fields(made: Transfer) -> dict[str, Any]:
    return {name: getattr(made, name) for name in ("account_id", "amount", "to", "at", "tags")}


def test_all_that_does_not_fit_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        form(Transfer).check(Transfer(1, "x", 2, 3, 4))  # type: ignore[arg-type]  # pyright: ignore
    assert list(caught.value.fields) == ["account_id", "amount", "to", "at", "tags"]


def test_a_whole_number_fits_where_any_number_does() -> None:
    @command
    class Rate:
        ratio: float
        price: Decimal

    form(Rate).check(Rate(1, 2))  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(Invalid, match="ratio: Expected `float`, got `null`"):
        form(Rate).check(Rate(math.nan, Decimal(1)))


# The codec of an application: which class stands for which word.


def test_two_classes_under_one_name_are_refused_with_both_places() -> None:
    @event("opened")
    class First:
        pass

    @event("opened")
    class Second:
        pass

    with pytest.raises(WiringError) as caught:
        Codec("event", [First, Second])
    assert str(caught.value) == (
        f"two classes are called 'opened': {First.__qualname__} ({describe(First).where}) and"
        f" {Second.__qualname__} ({describe(Second).where})."
        ' Give one another name: @event("...")'
    )


def test_one_class_may_be_taken_in_again() -> None:
    codec = Codec("command", [Transfer])
    assert codec.form(Transfer) is codec.form(Transfer)


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(WiringError, match="is used as an event: decorate it with @event"):
        Codec("event", [Transfer])


def recorded(word: str, data: bytes = b"{}", stream: str = "account-ACC1") -> Recorded:
    return Recorded(41, stream, 3 if stream else 0, word, data, (), b"{}", 0, "c1", 0)


def test_an_older_version_is_read_by_the_newer_class() -> None:
    @event("moved", version=2)
    class Moved:
        to: str
        why: str = "unknown"

    codec = Codec("event", [Moved])
    assert codec.decode(recorded("moved", b'{"to":"x"}')) == Moved("x", "unknown")
    assert codec.decode(recorded("moved@2", b'{"to":"x","why":"y"}')) == Moved("x", "y")
    with pytest.raises(UnknownType, match="'moved@3'"):
        codec.decode(recorded("moved@3"))


def test_an_unknown_event_names_position_stream_and_remedy() -> None:
    with pytest.raises(UnknownType) as caught:
        Codec("event").decode(recorded("money-lost@2"))
    assert str(caught.value) == (
        "no event is called 'money-lost@2', which is stored at position 41"
        " (account-ACC1 version 3). If its class was renamed, keep the stored name:"
        ' @event("money-lost"); if a newer version of the application wrote it, run that'
        " version. Nothing was changed"
    )


def test_a_payload_that_does_not_fit_names_position_class_and_remedy() -> None:
    @event
    class Moved:
        to: str

    codec = Codec("event", [Moved])
    for data in (b"{}", b'{"to":1}', b"[]", b"", b"\xff", b'{"to":"x"'):
        with pytest.raises(Undecodable) as caught:
            codec.decode(recorded("Moved", data, stream=""))
        assert f"the 'Moved' at position 41 does not fit {Moved.__qualname__} ({__file__}:" in str(
            caught.value
        )
        assert "Fields may be added with a default, never renamed or removed" in str(caught.value)


def test_fields_that_a_class_no_longer_has_are_passed_over() -> None:
    @event
    class Moved:
        to: str

    assert Codec("event", [Moved]).decode(recorded("Moved", b'{"to":"x","speed":7}')) == Moved("x")


def test_tags_are_those_of_the_fields_each_once() -> None:
    @event
    class Subscribed:
        student_id: Annotated[str, Tag("student")]
        course_ids: Annotated[list[str], Tag("course")]
        note: str = ""

    assert form(Subscribed).tags(Subscribed("s1", ["c1", "c2", "c1"])) == (
        "student:s1",
        "course:c1",
        "course:c2",
    )


def test_anything_can_be_shown_as_plain_values() -> None:
    shown = to_builtins([Line("soup", 5), Point(1), {1: Colour.RED}, UUID(int=0)])
    assert shown == [
        {"dish": "soup", "price": 5, "parts": []},
        (1, 0),
        {"1": "red"},
        "00000000-0000-0000-0000-000000000000",
    ]
