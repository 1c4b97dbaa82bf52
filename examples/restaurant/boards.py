"""The boards that people look at to know what to do next: the tables, and the kitchen's queue."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from restaurant.kitchen import FoodReady, FoodServed, OrderReceived
from restaurant.table import (
    BillPaid,
    BillPrepared,
    BillRequested,
    GuestsLeft,
    GuestsSeated,
    OrderPlaced,
)
from whence import Index, ReadModel, evolve

Wait = Literal["to order", "food", "nothing", "the bill", "to pay"]
Stage = Literal["ordered", "cooking", "ready"]


class TableBoard(ReadModel):
    """A table that is taken: who sits there, and what they wait for."""

    table_id: str
    visit_id: str = ""
    guests: int = 0
    waits_for: Wait = "to order"
    orders: dict[str, Stage] = {}
    """What has not come to the table yet."""
    bill: Literal["", "wanted", "prepared"] = ""

    @evolve
    def guests_seated(self, event: GuestsSeated) -> None:
        self.visit_id, self.guests = event.visit_id, event.guests

    @evolve
    def order_placed(self, event: OrderPlaced) -> None:
        self.orders = {**self.orders, event.order_id: "ordered"}
        self.bill = ""
        self._look()

    @evolve
    def order_received(self, event: OrderReceived) -> None:
        self._advance(event.order_id, "cooking")

    @evolve
    def food_ready(self, event: FoodReady) -> None:
        self._advance(event.order_id, "ready")

    @evolve
    def food_served(self, event: FoodServed) -> None:
        self._advance(event.order_id, None)

    @evolve
    def bill_requested(self, event: BillRequested) -> None:
        self.bill = "wanted"
        self._look()

    @evolve
    def bill_prepared(self, event: BillPrepared) -> None:
        self.bill = "prepared"
        self._look()

    @evolve
    def bill_paid(self, event: BillPaid) -> None:
        self.bill = ""
        self._look()

    @evolve
    def guests_left(self, event: GuestsLeft) -> None:
        self.delete()

    def _advance(self, order_id: str, stage: Stage | None) -> None:
        """Note where an order is; None: on the table."""
        if order_id in self.orders:
            self.orders = {**self.orders}
            del self.orders[order_id]
            if stage is not None:
                self.orders[order_id] = stage
            self._look()
        elif not self.visit_id:
            self.delete()  # it was for guests who have left, and nobody has come since

    def _look(self) -> None:
        """See what the guests wait for now."""
        if self.bill:
            self.waits_for = "the bill" if self.bill == "wanted" else "to pay"
        else:
            self.waits_for = "food" if self.orders else "nothing"


class KitchenQueue(ReadModel):
    """An order that is in the kitchen: what to cook next, what to carry where."""

    order_id: str
    table_id: Annotated[str, Index()] = ""
    dishes: list[str] = []
    stage: Literal["cooking", "ready"] = "cooking"
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @evolve
    def order_received(self, event: OrderReceived) -> None:
        self.table_id, self.dishes, self.since = event.table_id, event.dishes, event.at

    @evolve
    def food_ready(self, event: FoodReady) -> None:
        self.stage = "ready"

    @evolve
    def food_served(self, event: FoodServed) -> None:
        self.delete()
