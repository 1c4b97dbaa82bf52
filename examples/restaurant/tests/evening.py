"""A full evening in the restaurant, as its people send it. For the base and for every change."""

from datetime import datetime, timedelta, timezone

from restaurant.changes.bar import PayAtBar
from restaurant.changes.drinks import OrderDrinks, ServeDrinks
from restaurant.changes.manager import WelcomeGuests
from restaurant.changes.service import ServiceVisits, send_waiters
from restaurant.kitchen import BringToKitchen, ReportReady, TakeToTable
from restaurant.table import AskForBill, LeaveTable, PayBill, PlaceOrder, PrepareBill, SeatGuests
from whence import App, Receipt

START = datetime(2026, 6, 1, 19, tzinfo=timezone(timedelta(hours=2)))


async def sit_and_eat(app: App, table: str, visit: str, at: datetime = START) -> None:
    """Steps 1 to 4, as they always were: seat and order, to the kitchen, ready, to the table."""
    await app.send(SeatGuests(table, visit, 2))
    await eat(app, table, visit, at)


async def eat(app: App, table: str, visit: str, at: datetime = START) -> None:
    """Order, cook and carry: 31.00 euros."""
    order, dishes = f"{visit}-food", ["soup", "steak"]
    await app.send(PlaceOrder(table, order, dishes))
    await app.send(BringToKitchen(order, table, dishes, at))
    await app.send(ReportReady(order))
    await app.send(TakeToTable(order, table))


async def pay_and_leave(
    app: App, table: str, bill: str, amount: int, at: datetime = START
) -> Receipt:
    """Steps 5 to 8, as they always were: ask, prepare, pay, leave."""
    await app.send(AskForBill(table))
    await app.send(PrepareBill(table))
    await app.send(PayBill(table, bill, amount, at))
    return await app.send(LeaveTable(table))


async def drink(app: App, table: str, visit: str) -> None:
    """A round of drinks: 9.80 euros."""
    await app.send(OrderDrinks(table, f"{visit}-drinks", ["water", "wine"]))
    await app.send(ServeDrinks(table, f"{visit}-drinks"))


async def base_evening(app: App, table: str, visit: str) -> Receipt:
    """All eight steps."""
    await sit_and_eat(app, table, visit)
    return await pay_and_leave(app, table, f"{visit}-1", 3300)


async def manager_evening(app: App, table: str, visit: str) -> Receipt:
    """The manager seats the guests."""
    await app.send(WelcomeGuests(table, visit, 2, "Dan", START))
    await eat(app, table, visit)
    return await pay_and_leave(app, table, f"{visit}-1", 3300)


async def drinks_evening(app: App, table: str, visit: str) -> Receipt:
    """And they drink."""
    await app.send(WelcomeGuests(table, visit, 2, "Dan", START))
    await drink(app, table, visit)
    await eat(app, table, visit)
    return await pay_and_leave(app, table, f"{visit}-1", 4200)


async def service_evening(app: App, table: str, visit: str) -> Receipt:
    """And they wait for the service waiter."""
    welcomed = await app.send(WelcomeGuests(table, visit, 2, "Dan", START))
    await drink(app, table, visit)
    await wait_for_service(app, welcomed)
    await eat(app, table, visit)
    return await pay_and_leave(app, table, f"{visit}-1", 4200)


async def bar_evening(app: App, table: str, visit: str) -> Receipt:
    """And they pay at the bar."""
    welcomed = await app.send(WelcomeGuests(table, visit, 2, "Dan", START))
    await drink(app, table, visit)
    await wait_for_service(app, welcomed)
    await eat(app, table, visit)
    await app.send(PayAtBar(table, visit, 4200, START))
    return await app.send(LeaveTable(table))


async def wait_for_service(app: App, welcomed: Receipt) -> None:
    """The waiters look at their list now and then."""
    await app.read(ServiceVisits).after(welcomed).count()
    assert await send_waiters(app, START + timedelta(minutes=9)) == 0
    assert await send_waiters(app, START + timedelta(minutes=10)) == 1
