"""Full evenings: through the base, through every change, and through all of them on one store."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from restaurant import app as base
from restaurant.boards import KitchenQueue, TableBoard
from restaurant.changes import bar, drinks, manager, service
from restaurant.changes.bar import BarTable, BarTakings
from restaurant.changes.drinks import DrinksToServe
from restaurant.changes.manager import HostedTableBoard
from restaurant.kitchen import BringToKitchen, ReportReady, TakeToTable
from restaurant.menu import Line
from restaurant.money import Bills, Takings
from restaurant.table import AskForBill, LeaveTable, PlaceOrder, PrepareBill, SeatGuests, Table
from restaurant.tests.evening import (
    START,
    bar_evening,
    base_evening,
    drinks_evening,
    eat,
    manager_evening,
    pay_and_leave,
    service_evening,
    sit_and_eat,
)
from whence import App, Receipt, Rejected

Evening = Callable[[App, str, str], Awaitable[Receipt]]

EVENINGS: list[tuple[App, Evening, int]] = [
    (base, base_evening, 3100),
    (manager.app, manager_evening, 3100),
    (drinks.app, drinks_evening, 4080),
    (service.app, service_evening, 4080),
    (bar.app, bar_evening, 4080),
]
NAMES = ["base", "manager", "drinks", "service", "bar"]


@pytest.mark.parametrize(("app", "evening", "total"), EVENINGS, ids=NAMES)
async def test_an_evening_is_played_to_its_end(
    app: App, evening: Evening, total: int, url: str
) -> None:
    async with app.using(store=url) as opened:
        receipt = await evening(opened, "7", "V1")
        bill = await opened.read(Bills).get("V1-1", after=receipt)
        takings = await opened.read(Takings).get("2026-06-01", after=receipt)
        assert await opened.read(KitchenQueue).after(receipt).count() == 0
    assert bill is not None
    assert (bill.table_id, bill.total, bill.paid) == ("7", total, True)
    assert takings is not None
    assert (takings.bills, takings.total) == (1, total)


async def test_every_change_goes_on_with_what_was_there_before(tmp_path: Path) -> None:
    """The restaurant's life: one file, opened by each version of the application in its turn."""
    url = f"sqlite:///{tmp_path}/life.db"
    receipts: list[Receipt] = []
    for number, (app, evening, _) in enumerate(EVENINGS):
        async with app.using(store=url) as opened:
            receipts.append(await evening(opened, "7", f"V{number}"))
    receipt = receipts[-1]
    async with bar.app.using(store=url) as opened:
        takings = await opened.read(Takings).get("2026-06-01", after=receipt)
        at_bar = await opened.read(BarTakings).get("2026-06-01", after=receipt)
        bills = await opened.read(Bills).order_by("bill_id").after(receipt)
    assert takings is not None
    assert (takings.bills, takings.total, takings.tips) == (5, 18_440, 760)
    assert at_bar is not None
    assert (at_bar.bills, at_bar.total) == (1, 4080)
    assert [bill.total for bill in bills] == [total for _, _, total in EVENINGS]


@pytest.mark.parametrize("changed", [manager.app, drinks.app, service.app, bar.app], ids=NAMES[1:])
async def test_guests_who_came_before_a_change_finish_their_evening_after_it(
    changed: App, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/midnight.db"
    async with base.using(store=url) as opened:
        await sit_and_eat(opened, "7", "V1")
    async with changed.using(store=url) as opened:
        await opened.send(PlaceOrder("7", "O2", ["ice cream"]))
        receipt = await pay_and_leave(opened, "7", "V1-1", 3660)
        bill = await opened.read(Bills).get("V1-1", after=receipt)
    assert bill is not None
    assert bill.lines == [Line("soup", 650), Line("steak", 2450), Line("ice cream", 560)]


async def test_the_board_says_what_the_guests_wait_for(url: str) -> None:
    async with base.using(store=url) as app:
        steps: list[tuple[object, str]] = [
            (SeatGuests("7", "V1", 2), "to order"),
            (PlaceOrder("7", "O1", ["soup"]), "food"),
            (BringToKitchen("O1", "7", ["soup"], START), "food"),
            (ReportReady("O1"), "food"),
            (TakeToTable("O1", "7"), "nothing"),
            (AskForBill("7"), "the bill"),
            (PrepareBill("7"), "to pay"),
        ]
        for command, wait in steps:
            receipt = await app.send(command)
            row = await app.read(TableBoard).get("7", after=receipt)
            assert row is not None
            assert (row.visit_id, row.guests, row.waits_for) == ("V1", 2, wait)


async def test_the_board_forgets_guests_who_left_also_if_their_food_comes_later(url: str) -> None:
    async with base.using(store=url) as app:
        await app.send(SeatGuests("7", "V1", 2))
        await app.send(PlaceOrder("7", "O1", ["soup"]))
        await app.send(BringToKitchen("O1", "7", ["soup"], START))
        await pay_and_leave(app, "7", "V1-1", 650)
        receipt = await app.send(ReportReady("O1"))
        assert await app.read(TableBoard).get("7", after=receipt) is None
        await app.send(SeatGuests("7", "V2", 4))
        receipt = await app.send(TakeToTable("O1", "7"))
        row = await app.read(TableBoard).get("7", after=receipt)
        assert row is not None
        assert (row.visit_id, row.waits_for, row.orders) == ("V2", "to order", {})


async def test_the_kitchen_cooks_what_came_first_and_carries_what_is_ready(url: str) -> None:
    async with base.using(store=url) as app:
        for minute, order in enumerate(("O2", "O1", "O3")):
            at = START + timedelta(minutes=minute)
            await app.send(BringToKitchen(order, "7", ["soup"], at))
        receipt = await app.send(ReportReady("O1"))
        queue = app.read(KitchenQueue).order_by("since").after(receipt)
        assert [row.order_id for row in await queue] == ["O2", "O1", "O3"]
        assert [row.order_id for row in await queue.where(stage="ready")] == ["O1"]


async def test_a_refused_step_leaves_everything_as_it_was(url: str) -> None:
    async with base.using(store=url) as app:
        await sit_and_eat(app, "7", "V1")
        before = await app.history(Table, "7").now()
        for command in (LeaveTable("7"), SeatGuests("7", "V2", 2), PrepareBill("7")):
            with pytest.raises(Rejected):
                await app.send(command)
        after = await app.history(Table, "7").now()
    assert after.version == before.version


async def test_takings_after_midnight_belong_to_the_evening_before(url: str) -> None:
    late = START + timedelta(hours=8)  # three in the morning
    async with base.using(store=url) as app:
        await sit_and_eat(app, "7", "V1")
        receipt = await pay_and_leave(app, "7", "V1-1", 3100, late)
        days = await app.read(Takings).after(receipt)
    assert [day.day for day in days] == ["2026-06-01"]


async def test_the_changed_board_knows_the_drinks_waiter_of_guests_seated_before(
    tmp_path: Path,
) -> None:
    """A new read model is folded from the whole past, also from what nobody asked about then."""
    url = f"sqlite:///{tmp_path}/board.db"
    async with manager.app.using(store=url) as app:
        receipt = await app.send(manager.WelcomeGuests("7", "V1", 2, "Dan", START))
    async with bar.app.using(store=url) as app:
        row = await app.read(HostedTableBoard).get("7", after=receipt)
    assert row is not None
    assert row.drinks_waiter == "Dan"


async def test_what_was_not_brought_is_not_on_the_bill(url: str) -> None:
    async with drinks.app.using(store=url) as app:
        await app.send(manager.WelcomeGuests("7", "V1", 2, "Dan", START))
        await app.send(drinks.OrderDrinks("7", "R1", ["beer"]))
        await eat(app, "7", "V1")
        receipt = await pay_and_leave(app, "7", "V1-1", 3100)
        assert await app.read(DrinksToServe).after(receipt).count() == 0


async def test_the_past_of_a_table_can_be_seen_through_the_latest_change(url: str) -> None:
    async with bar.app.using(store=url) as app:
        await bar_evening(app, "7", "V1")
        history = app.history(BarTable, "7")
        waiting, come = await history.at(3), await history.at(6)
    assert waiting.due_at == (START + timedelta(minutes=10)).astimezone(UTC)
    assert come.due_at is None
    assert isinstance(waiting.due_at, datetime)
