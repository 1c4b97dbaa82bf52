"""Payment at the bar: guests need not wait for their bill, they pay on their way out."""

from collections.abc import Iterator
from datetime import datetime

from restaurant.boards import KitchenQueue
from restaurant.changes.drinks import DrinksToServe
from restaurant.changes.manager import HostedTableBoard
from restaurant.changes.service import ServedTable, ServiceVisits, tables_due
from restaurant.fields import Moment
from restaurant.kitchen import Order
from restaurant.money import Bills, Takings, business_day
from whence import App, ReadModel, Rejected, command, decide, event, evolve


@command
class PayAtBar:
    """Pay all that the guests of a visit owe. What is more than that is the tip."""

    table_id: str
    visit_id: str
    amount: int
    at: Moment


@event
class PaidAtBar:
    table_id: str
    visit_id: str
    bill_id: str
    total: int
    at: datetime


class BarTable(ServedTable):
    """A table whose guests may pay at the bar."""

    @decide
    def pay_at_bar(self, command: PayAtBar) -> Iterator[object]:
        if self.visit != command.visit_id:
            raise Rejected(f"The guests of {command.visit_id} are not at table {self.id}")
        if not self.unpaid:
            raise Rejected("There is nothing to pay")
        if self.bill is None:
            yield self.next_bill()  # it is prepared as soon as it is yielded
        paid = self.payment(command.amount, command.at)
        yield paid
        yield PaidAtBar(self.id, self.visit, paid.bill_id, paid.total, paid.at)


class BarTakings(ReadModel):
    """What a day took in at the bar. It is part of the day's takings."""

    day: str
    bills: int = 0
    total: int = 0

    @evolve(key=lambda event: business_day(event.at))
    def paid_at_bar(self, event: PaidAtBar) -> None:
        self.bills += 1
        self.total += event.total


app = App(
    "restaurant",
    BarTable,
    Order,
    HostedTableBoard,
    KitchenQueue,
    DrinksToServe,
    ServiceVisits,
    Bills,
    Takings,
    BarTakings,
)
app.answers(tables_due)
