"""A read model with a column of every kind, and things to fill it with."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated
from uuid import UUID

from whence import App, Index, ReadModel, event, evolve
from whence.envelope import NewEvent
from whence.queries import Rows
from whence.store import Commit

START = datetime(2026, 1, 1, tzinfo=UTC)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"
    NONE = ""


@event
class Put:
    thing_id: str
    name: str | None = None
    rank: int | None = None
    at: datetime = START
    price: Decimal = Decimal(0)
    serial: UUID = UUID(int=0)
    colour: Colour = Colour.RED
    size: str = "0"
    """As text: JSON has no infinity, but a row may."""
    day: date = START.date()
    data: bytes = b""
    tags: tuple[str, ...] = ()
    on: bool = False


class Thing(ReadModel):
    thing_id: str
    name: Annotated[str | None, Index()] = None
    rank: int | None = None
    at: datetime = START
    price: Decimal = Decimal(0)
    serial: UUID = UUID(int=0)
    colour: Colour = Colour.RED
    size: float = 0.0
    day: date = START.date()
    data: bytes = b""
    tags: list[str] = []
    on: bool = False

    @evolve
    def _(self, event: Put) -> None:
        self.name, self.rank, self.at = event.name, event.rank, event.at
        self.price, self.serial, self.colour = event.price, event.serial, event.colour
        self.size, self.day, self.data = float(event.size), event.day, event.data
        self.tags, self.on = list(event.tags), event.on


things = App("things", Thing)

MIXED = [
    Put(
        f"T{number:02}",
        name=None if number % 3 == 0 else f"name {number % 4}",
        rank=None if number % 4 == 0 else number % 5 - 2,
        at=START + timedelta(microseconds=number % 3),
        price=Decimal(number % 7) / 4 - 1,
        serial=UUID(int=number % 5),
        colour=list(Colour)[number % 3],
        size=["0.1", "-1.5", "inf", "1e-300"][number % 4],
        day=START.date() + timedelta(days=number % 2),
        data=bytes([number % 3]),
        tags=("a",) * (number % 2),
        on=number % 2 == 0,
    )
    for number in range(24)
]
"""Many that are equal in one column and differ in another; None among them."""


async def filled(app: App, *events: object) -> Rows[Thing]:
    """The rows after ``events``."""
    codec, store = app.wiring.events, app.running.store
    forms = [codec.form(type(one)) for one in events]
    new = [
        NewEvent(form.message.word, form.keep(one))
        for form, one in zip(forms, events, strict=True)
    ]
    await store.append([Commit(f"after {await store.head()}", new)])
    return app.read(Thing).after(await store.head(), timeout=20)
