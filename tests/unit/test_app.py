"""Applications: opening, closing, their settings, and every kind of class through them."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from pydantic.dataclasses import dataclass as pydantic_dataclass

from whence import Aggregate, App, Invalid, ReadModel, command, decide, event, evolve
from whence.app import load
from whence.backends.memory import MemoryStore
from whence.errors import ForeignStore, StoreError, WhenceError, WiringError

from .bells import Bell, Bells, Ring, Rung, bells

# Opening and closing.


@pytest.mark.parametrize("name", [Bells, "", " "])
def test_an_application_without_a_name_is_refused(name: Any) -> None:
    with pytest.raises(WiringError, match=r"has a name, as in App\('bank', \.\.\.\), not"):
        App(name, Bell)


async def test_an_application_may_be_opened_again_after_it_was_closed(tmp_path: Path) -> None:
    app = bells(f"sqlite:///{tmp_path / 'b.db'}")
    for n in range(3):
        async with app:
            receipt = await app.send(Ring("B1"))
            row = await app.read(Bells).get("B1", after=receipt)
            assert row is not None
            assert row.rung == n + 1


async def test_it_can_be_asked_as_soon_as_it_is_open(tmp_path: Path) -> None:
    async with bells(f"sqlite:///{tmp_path / 'b.db'}") as app:
        assert await app.read(Bells).get("B1") is None
        assert await app.read(Bells).count() == 0


async def test_it_is_opened_once_at_a_time() -> None:
    async with bells() as app:
        with pytest.raises(WhenceError, match=r"^bells is open already$"):
            await app.__aenter__()
        await app.send(Ring("B1"))


async def test_the_data_are_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with App("bells", Bell, Bells) as app:
        await app.send(Ring("B1"))
    assert {"bells.db", "bells.read.db"} <= {*os.listdir()}
    monkeypatch.setenv("WHENCE_STORE", "sqlite:///other.db")
    async with App("bells", Bell, Bells) as app:
        assert (await app.history(Bell, "B1").now()).version == 0
    assert "other.db" in os.listdir()


async def test_a_store_that_cannot_be_opened_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "b.db").write_bytes(b"this is no database at all" * 100)
    app = bells(f"sqlite:///{tmp_path / 'b.db'}")
    for _ in range(2):
        with pytest.raises((ForeignStore, StoreError)):
            await app.__aenter__()
    with pytest.raises(WhenceError, match="is not open"):
        await app.send(Ring("B1"))


async def test_a_read_database_that_cannot_be_opened_closes_the_store_again(
    tmp_path: Path,
) -> None:
    store = f"sqlite:///{tmp_path / 'b.db'}"
    app = bells(store, read=f"sqlite:///{tmp_path}/no/such/folder/r.db")
    with pytest.raises(StoreError):
        await app.__aenter__()
    (tmp_path / "b.db").unlink()
    async with bells(store) as other:
        await other.send(Ring("B1"))


async def test_closing_waits_for_what_is_under_way(tmp_path: Path) -> None:
    app = bells(f"sqlite:///{tmp_path / 'b.db'}")
    async with app:
        sends = [asyncio.create_task(app.send(Ring("B1"))) for _ in range(50)]
        await asyncio.sleep(0)
    receipts = await asyncio.gather(*sends)
    assert sorted(receipt.versions["bell-B1"] for receipt in receipts) == list(range(1, 51))


async def test_an_error_inside_goes_through_and_it_is_closed() -> None:
    app = bells()
    with pytest.raises(ZeroDivisionError):
        async with app:
            _ = 1 / 0
    with pytest.raises(WhenceError, match="is not open"):
        app.read(Bells)


async def test_a_store_that_somebody_else_opened_stays_open() -> None:
    store = MemoryStore()
    for _ in range(2):
        async with bells(store) as app:
            await app.send(Ring("B1"))
    assert await store.head() == 2


async def test_nothing_is_added_while_it_is_open() -> None:
    def again(command: Ring, bell: Bell) -> Iterator[object]:
        return iter(())

    async with bells() as app:
        adding: list[Any] = [app.use, app.decides, app.answers]
        for add in adding:
            with pytest.raises(WiringError, match=r"^bells is open: an? \w+ is added before, or"):
                add(again)


async def test_a_model_of_another_application_is_refused() -> None:
    class Others(ReadModel):
        bell_id: str

        @evolve
        def _(self, event: Rung) -> None: ...

    async with bells() as app:
        with pytest.raises(
            WiringError, match=r"Others \(.+\) is not in this application: pass it"
        ):
            app.read(Others)


# Finding one by name.


def test_an_application_is_found_by_module_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "belfry.py").write_text("from whence import App\napp = App('bells')\nother = 3\n")
    (tmp_path / "broken_belfry.py").write_text("import no_such_module\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert load("belfry:app").name == "bells"
    with pytest.raises(
        WiringError, match="'belfry' does not say which application: write module:"
    ):
        load("belfry")
    with pytest.raises(WiringError, match="belfry:bell: the module belfry has no 'bell'"):
        load("belfry:bell")
    with pytest.raises(WiringError, match="belfry:other is a int, not an App"):
        load("belfry:other")
    with pytest.raises(
        WiringError, match="nowhere:app: there is no module 'nowhere' here or inst"
    ):
        load("nowhere:app")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("broken_belfry:app")


# Every kind of class, nested in one another, through the whole application on SQLite.


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Extra(msgspec.Struct, frozen=True):
    name: str
    price: Decimal


@attrs.frozen
class Topping:
    extra: Extra
    weights: dict[int, float]


class Guest(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)
    id: UUID
    email: str = pydantic.Field(pattern="@", alias="e-mail")
    seen: frozenset[str] = frozenset()


@pydantic_dataclass(frozen=True)
class Amount:
    cents: int = pydantic.Field(gt=0)
    currency: str = "EUR"


@dataclass(frozen=True)
class Line:
    size: Size
    toppings: tuple[Topping, ...]
    guest: Guest | None
    amount: Amount


@event
@dataclass(frozen=True)
class PlacedData:
    order_id: str
    lines: list[Line]
    at: datetime


@event
class PlacedStruct(msgspec.Struct, frozen=True):
    order_id: str
    lines: list[Line]
    at: datetime


@event
@attrs.frozen
class PlacedAttrs:
    order_id: str
    lines: list[Line]
    at: datetime


@pydantic_dataclass(frozen=True)
class PlainLine:
    size: Size
    guest: Guest | None
    amount: Amount


class PlacedModel(pydantic.BaseModel):
    order_id: str
    lines: list[PlainLine]
    at: datetime


@pydantic_dataclass
class PlacedPydantic:
    order_id: str
    lines: list[PlainLine]
    at: datetime


event(PlacedModel)
event(PlacedPydantic)


@command
@dataclass(frozen=True)
class PlaceData:
    order_id: str
    lines: list[Line]
    at: datetime


@command
class PlaceStruct(msgspec.Struct, frozen=True):
    order_id: str
    lines: list[Line]
    at: datetime


@command
@attrs.frozen
class PlaceAttrs:
    order_id: str
    lines: list[Line]
    at: datetime


class PlaceModel(pydantic.BaseModel):
    order_id: str
    lines: list[PlainLine]
    at: datetime


@pydantic_dataclass
class PlacePydantic:
    order_id: str
    lines: list[PlainLine]
    at: datetime


command(PlaceModel)
command(PlacePydantic)
PLACED: dict[Any, Any] = {
    PlaceData: PlacedData,
    PlaceStruct: PlacedStruct,
    PlaceAttrs: PlacedAttrs,
    PlaceModel: PlacedModel,
    PlacePydantic: PlacedPydantic,
}


class Order(Aggregate, snapshot_every=1):
    lines: list[Any] = []

    @decide
    def place(
        self, command: PlaceData | PlaceStruct | PlaceAttrs | PlaceModel | PlacePydantic
    ) -> Iterator[object]:
        yield PLACED[type(command)](order_id=self.id, lines=command.lines, at=command.at)

    @evolve
    def _(
        self, event: PlacedData | PlacedStruct | PlacedAttrs | PlacedModel | PlacedPydantic
    ) -> None:
        self.lines = [*event.lines]


class Orders(ReadModel):
    order_id: str
    cents: int = 0
    lines: list[Line | None] = []

    @evolve
    def _(
        self, event: PlacedData | PlacedStruct | PlacedAttrs | PlacedModel | PlacedPydantic
    ) -> None:
        self.cents += sum(line.amount.cents for line in event.lines)
        self.lines = [line for line in event.lines if isinstance(line, Line)]


guest = Guest.model_validate({"id": UUID(int=7), "e-mail": "ann@example.com", "seen": {"a", "b"}})
rich = Line(
    Size.LARGE, (Topping(Extra("ham", Decimal("1.10")), {1: 0.5, -2: 1e300}),), guest, Amount(5)
)
AT = datetime(2026, 11, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("kind", [*PLACED])
async def test_every_kind_of_class_goes_through_the_whole_application(
    kind: Callable[..., Any], tmp_path: Path
) -> None:
    nested = PlainLine if kind in (PlaceModel, PlacePydantic) else None
    line: Any = nested(Size.LARGE, guest, Amount(5)) if nested else rich
    app = App("orders", Order, Orders, store=f"sqlite:///{tmp_path / 'o.db'}")
    async with app:
        receipt = await app.send(kind(order_id="O1", lines=[line, line], at=AT))
        row = await app.read(Orders).get("O1", after=receipt)
        assert row is not None
        assert (row.cents, row.lines) == (10, [] if nested else [line, line])
    async with app:
        (past,) = [past async for past in app.history(Order, "O1").events()]
        placed = PLACED[kind]
        assert past.event == placed(order_id="O1", lines=[line, line], at=AT)
        assert type(past.event.lines[0]) is type(line)
        assert (await app.history(Order, "O1").now()).lines == [line, line]


@pytest.mark.parametrize("kind", [*PLACED])
async def test_constraints_of_nested_classes_hold_for_what_comes_from_outside(
    kind: type[Any],
) -> None:
    values: dict[str, Any] = {
        "order_id": "O1",
        "lines": [
            {
                "size": "small",
                "toppings": [],
                "guest": {"id": str(UUID(int=7)), "email": "ann@example.com"},
                "amount": {"cents": 5},
            }
        ],
        "at": AT.isoformat(),
    }
    async with App("orders", Order, store="memory://") as app:
        form = app.wiring.commands.form(kind)
        made = form.convert(values)
        assert (await app.send(made)).versions == {"order-O1": 1}
        assert made.lines[0].amount == Amount(5)
        for part, wrong in (("amount", {"cents": 0}), ("guest", {"id": "x", "email": "nobody"})):
            (line,) = values["lines"]
            bad = {**values, "lines": [{**line, part: wrong}]}
            with pytest.raises(Invalid, match="lines"):
                form.convert(bad)
