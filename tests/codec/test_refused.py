"""Classes that cannot be stored are refused at start, with their place."""

from collections import deque
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from enum import Enum
from typing import Annotated, Any

import msgspec
import pydantic
import pytest
from annotated_types import Gt

from whence import event
from whence.errors import WiringError

from . import classes
from .classes import Tree, form, holding


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
    assert str(caught.value).startswith(f"event Holding ({classes.__file__}:")
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
