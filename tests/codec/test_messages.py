"""Messages from outside, and commands that code has made: what does not fit is named."""

import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import attrs
import pytest

from whence import Invalid, command
from whence.plain import from_outside

from .classes import Transfer, form

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
        "at": "Invalid RFC3339 encoded datetime, as in 2026-11-01T19:30:00Z",
        "tags": "Expected `str`, got `int` - at `$[0]`",
    }
    assert str(caught.value).startswith("Transfer is not valid: colour: no such field; account_id")


def test_text_stands_for_numbers_only_where_a_form_is_read() -> None:
    assert form(Transfer).convert(GOOD | {"amount": "5"}).amount == 5
    with pytest.raises(Invalid, match="amount: Expected `int`, got `str`"):
        form(Transfer).convert(GOOD | {"amount": "5"}, strict=True)


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


@pytest.mark.parametrize(
    ("kind", "example"),
    [(datetime, "2026-11-01T19:30:00Z"), (date, "2026-11-01"), (time, "19:30:00")],
)
def test_what_is_no_time_is_shown_one(kind: type, example: str) -> None:
    with pytest.raises(ValueError, match=f", as in {example}$"):
        from_outside("soon", kind)
    assert from_outside(example, kind) == kind.fromisoformat(example)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["NaN", "inf", "-Infinity"])
def test_a_number_that_is_none_is_called_by_its_name(text: str) -> None:
    @command
    class Weigh:
        kilos: float

    with pytest.raises(Invalid, match=f"kilos: Expected `float`, got {float(text)}"):
        form(Weigh).check(form(Weigh).convert({"kilos": text}))


def test_a_whole_number_fits_where_any_number_does() -> None:
    @command
    class Rate:
        ratio: float
        price: Decimal

    form(Rate).check(Rate(1, 2))  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(Invalid, match="ratio: Expected `float`, got nan"):
        form(Rate).check(Rate(math.nan, Decimal(1)))
