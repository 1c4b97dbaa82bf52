"""The service waiter comes after a while, and only then takes your order.

Nothing here looks at a clock. The manager's command says when the guests came, so the event says
when the waiter is due; whoever has a clock looks at the list of what is due, and sends him.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

from restaurant.boards import KitchenQueue
from restaurant.changes.drinks import DrinksTable, DrinksToServe
from restaurant.changes.manager import HostedTableBoard, WelcomeGuests
from restaurant.fields import Moment
from restaurant.kitchen import Order
from restaurant.money import Bills, Takings
from restaurant.table import GuestsLeft, GuestsSeated, PlaceOrder
from whence import App, Index, ReadModel, Rejected, command, decide, event, evolve, query

DELAY = timedelta(minutes=10)
"""What guests need to read the menu."""


@command
class ComeToTable:
    """The service waiter comes to guests who have had time to choose."""

    table_id: str
    visit_id: str
    at: Moment


@event
class ServiceDue:
    table_id: str
    visit_id: str
    due_at: datetime


@event
class ServiceWaiterCame:
    table_id: str
    visit_id: str
    at: datetime


@query
class TablesDue:
    """To which tables should the service waiter have gone by now?"""

    now: Moment


class ServedTable(DrinksTable):
    """A table to which a service waiter comes."""

    due_at: datetime | None = None
    """When the service waiter is to come. None: guests may order at once."""

    @decide
    def welcome(self, command: WelcomeGuests) -> Iterator[object]:
        for happened in super().welcome(command):
            yield happened
            if isinstance(happened, GuestsSeated):
                yield ServiceDue(self.id, command.visit_id, command.at + DELAY)

    @decide
    def come(self, command: ComeToTable) -> Iterator[object]:
        if self.visit != command.visit_id:
            raise Rejected(f"The guests of {command.visit_id} are not at table {self.id}")
        if self.due_at is None:
            return
        if command.at < self.due_at:
            raise Rejected(f"The guests at table {self.id} are still choosing")
        yield ServiceWaiterCame(self.id, self.visit, command.at)

    @decide
    def place_order(self, command: PlaceOrder) -> Iterator[object]:
        if self.due_at is not None:
            raise Rejected("The service waiter has not come yet")
        yield from super().place_order(command)

    @evolve
    def guests_seated(self, event: GuestsSeated) -> None:
        super().guests_seated(event)
        self.due_at = None

    @evolve
    def service_due(self, event: ServiceDue) -> None:
        self.due_at = event.due_at

    @evolve
    def service_waiter_came(self, event: ServiceWaiterCame) -> None:
        self.due_at = None


class ServiceVisits(ReadModel):
    """A table to which the service waiter has to go: his list of things to do."""

    table_id: str
    visit_id: str = ""
    due_at: Annotated[datetime, Index()] = datetime(1970, 1, 1, tzinfo=UTC)

    @evolve
    def service_due(self, event: ServiceDue) -> None:
        self.visit_id, self.due_at = event.visit_id, event.due_at

    @evolve
    def done(self, event: ServiceWaiterCame | GuestsLeft) -> None:
        self.delete()


app = App(
    "restaurant",
    ServedTable,
    Order,
    HostedTableBoard,
    KitchenQueue,
    DrinksToServe,
    ServiceVisits,
    Bills,
    Takings,
)


@app.answers
async def tables_due(query: TablesDue, app: App) -> list[ServiceVisits]:
    waiting = await app.read(ServiceVisits).order_by("due_at")
    return [visit for visit in waiting if visit.due_at <= query.now]


async def send_waiters(app: App, now: datetime) -> int:
    """Send the service waiter to every table where he is due; say to how many.

    Call it as often as you like. What is done twice, or too late because the guests have left
    meanwhile, does no harm.
    """
    sent = 0
    for visit in await app.ask(TablesDue(now)):
        try:
            await app.send(ComeToTable(visit.table_id, visit.visit_id, now))
            sent += 1
        except Rejected:  # they have left
            continue
    return sent
