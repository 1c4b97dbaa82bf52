"""`Table`: who sits there, what they ordered, and what they owe. Nobody leaves without paying."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from restaurant.fields import AtLeastOne, Moment, SomeNames
from restaurant.menu import DISHES, Line, priced, total
from whence import Aggregate, Rejected, command, decide, event, evolve


@command
class SeatGuests:
    """Show guests to a free table. With it their visit begins."""

    table_id: str
    visit_id: str
    guests: AtLeastOne


@command
class PlaceOrder:
    """Write down what the guests want to eat."""

    table_id: str
    order_id: str
    dishes: SomeNames


@command
class AskForBill:
    """The guests would like to pay."""

    table_id: str


@command
class PrepareBill:
    """Add up what the guests have had since they last paid."""

    table_id: str


@command
class PayBill:
    """Pay a bill. What is more than its total is the tip."""

    table_id: str
    bill_id: str
    amount: int
    at: Moment


@command
class LeaveTable:
    """Get up and go."""

    table_id: str


@event
class GuestsSeated:
    table_id: str
    visit_id: str
    guests: int


@event
class OrderPlaced:
    table_id: str
    visit_id: str
    order_id: str
    lines: list[Line]


@event
class BillRequested:
    table_id: str
    visit_id: str


@event
class BillPrepared:
    table_id: str
    visit_id: str
    bill_id: str
    lines: list[Line]
    total: int


@event
class BillPaid:
    table_id: str
    visit_id: str
    bill_id: str
    total: int
    tip: int
    at: datetime


@event
class GuestsLeft:
    table_id: str
    visit_id: str


class Bill(Struct, frozen=True):
    """What is to be paid."""

    bill_id: str
    total: int


class Table(Aggregate):
    """One table through all its visits, one after another."""

    visit: str = ""
    """Empty: the table is free."""
    orders: list[str] = []
    """Of this visit."""
    unpaid: list[Line] = []
    bill_wanted: bool = False
    bill: Bill | None = None
    """Prepared, and not paid yet."""
    bills: list[str] = []
    """Of this visit, all of them."""

    @decide
    def seat(self, command: SeatGuests) -> Iterator[object]:
        if self.visit == command.visit_id:
            return
        if self.visit:
            raise Rejected(f"Table {self.id} is taken")
        yield GuestsSeated(self.id, command.visit_id, command.guests)

    @decide
    def place_order(self, command: PlaceOrder) -> Iterator[object]:
        self.must_be_taken()
        if command.order_id in self.orders:
            return
        self.must_take_orders()
        lines = priced(command.dishes, DISHES)
        yield OrderPlaced(self.id, self.visit, command.order_id, lines)

    @decide
    def ask_for_bill(self, command: AskForBill) -> Iterator[object]:
        self.must_be_taken()
        if not self.unpaid:
            raise Rejected("There is nothing to pay")
        if not self.bill_wanted:
            yield BillRequested(self.id, self.visit)

    @decide
    def prepare_bill(self, command: PrepareBill) -> Iterator[object]:
        self.must_be_taken()
        if not self.bill_wanted:
            raise Rejected(f"Nobody at table {self.id} has asked for the bill")
        if self.bill is None:
            yield self.next_bill()

    @decide
    def pay(self, command: PayBill) -> Iterator[object]:
        self.must_be_taken()
        if self.bill is not None and self.bill.bill_id == command.bill_id:
            yield self.payment(command.amount, command.at)
        elif command.bill_id not in self.bills:
            raise Rejected(f"Table {self.id} has no bill {command.bill_id}")

    @decide
    def leave(self, command: LeaveTable) -> Iterator[object]:
        if not self.visit:
            return
        if self.unpaid:
            raise Rejected(f"{euros(total(self.unpaid))} are still to be paid")
        yield GuestsLeft(self.id, self.visit)

    @evolve
    def guests_seated(self, event: GuestsSeated) -> None:
        self.visit = event.visit_id
        self.orders, self.bills = [], []

    @evolve
    def order_placed(self, event: OrderPlaced) -> None:
        self.orders.append(event.order_id)
        self.unpaid.extend(event.lines)
        self.bill_wanted = False

    @evolve
    def bill_requested(self, event: BillRequested) -> None:
        self.bill_wanted = True

    @evolve
    def bill_prepared(self, event: BillPrepared) -> None:
        self.bill = Bill(event.bill_id, event.total)
        self.bills.append(event.bill_id)

    @evolve
    def bill_paid(self, event: BillPaid) -> None:
        self.bill, self.bill_wanted, self.unpaid = None, False, []

    @evolve
    def guests_left(self, event: GuestsLeft) -> None:
        self.visit = ""

    def must_be_taken(self) -> None:
        """Raise `Rejected` if nobody sits here."""
        if not self.visit:
            raise Rejected(f"Nobody sits at table {self.id}")

    def must_take_orders(self) -> None:
        """Raise `Rejected` once the bill is prepared: it would no longer be right."""
        if self.bill is not None:
            raise Rejected("The bill is on the table: pay it first")

    def next_bill(self) -> BillPrepared:
        """The bill for all that is unpaid."""
        bill_id = f"{self.visit}-{len(self.bills) + 1}"
        return BillPrepared(self.id, self.visit, bill_id, [*self.unpaid], total(self.unpaid))

    def payment(self, amount: int, at: datetime) -> BillPaid:
        """What ``amount`` pays. Raises `Rejected` if it is too little, or if there is no bill."""
        if self.bill is None:
            raise Rejected("There is no bill to pay")
        missing = self.bill.total - amount
        if missing > 0:
            raise Rejected(f"{euros(missing)} are missing")
        return BillPaid(self.id, self.visit, self.bill.bill_id, self.bill.total, -missing, at)


def euros(cents: int) -> str:
    """``cents`` as people say it."""
    return f"{cents / 100:.2f} euros"
