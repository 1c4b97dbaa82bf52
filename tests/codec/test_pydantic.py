"""What Pydantic says about its classes is heeded, also where they stand inside others."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from whence import Invalid, command, event
from whence.errors import Unstorable

from .classes import Line, form


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


def test_aliases_that_are_names_of_other_fields_mix_nothing_up() -> None:
    @event
    class Swapped(pydantic.BaseModel):
        one: int = pydantic.Field(alias="other")
        other: int = pydantic.Field(alias="one")

    swapped = Swapped(other=1, one=2)
    assert (swapped.one, swapped.other) == (1, 2)
    assert form(Swapped).decode(form(Swapped).keep(swapped)) == swapped
    assert form(Swapped).convert({"one": 1, "other": 2}) == swapped


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
