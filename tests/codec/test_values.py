"""Values of every kind as bytes and back: nothing changes, or nothing is stored."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest

from whence import event
from whence.errors import Invalid, Unstorable
from whence.messages import describe

from .classes import Address, Colour, Level, Pair, Point, Tree, UserId, form, holding

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


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("hint", "value"),
    [(Decimal, Decimal("sNaN")), (int, 10**5_000), (list[Any], nested(100_000))],
    ids=["a number that cannot be compared", "an endless number", "endless lists"],
)
def test_what_python_itself_cannot_bear_is_refused_in_our_words(hint: Any, value: Any) -> None:
    holder = form(holding(hint))
    with pytest.raises(Unstorable, match=r"cannot be stored: .+ Nothing was stored"):
        holder.keep(holder.cls(value))
    if hint is not int:  # of these, nothing is looked at before they are written
        with pytest.raises(Invalid, match="Holding is not valid: it: "):
            holder.check(holder.cls(value))


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


def test_such_a_field_is_looked_at_like_any_other() -> None:
    @dataclass
    class Noted:
        name: str
        pages: int = field(init=False, default=0)

    event(Noted)
    noted = Noted("n")
    noted.pages = "many"  # type: ignore[assignment]  # pyright: ignore
    with pytest.raises(Unstorable, match=r"Expected `int`, got `str` - at `\$\.pages`"):
        form(Noted).keep(noted)


def test_fields_may_be_called_otherwise_in_json() -> None:
    @event
    class Renamed(msgspec.Struct, rename="camel", tag=True, omit_defaults=True):
        first_name: str
        last_name: str = ""

    kept = form(Renamed).keep(Renamed("ann"))
    assert kept == b'{"type":"Renamed","firstName":"ann"}'
    assert form(Renamed).decode(kept) == Renamed("ann")
    assert form(Renamed).convert({"first_name": "ann"}) == Renamed("ann")
