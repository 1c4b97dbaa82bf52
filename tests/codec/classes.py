"""The classes that codecs are tried with."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pydantic
from pydantic.dataclasses import dataclass as pydantic_dataclass

from whence import command, event
from whence.forms import Form
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
class Transfer:
    account_id: str
    amount: Annotated[int, msgspec.Meta(gt=0)]
    to: UUID
    at: datetime
    tags: list[str] = field(default_factory=list[str])
