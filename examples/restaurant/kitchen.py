"""`Order`: one order in the kitchen, from the slip to the plates on the right table."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from restaurant.fields import Moment, SomeNames
from whence import Aggregate, Rejected, command, decide, event, evolve


@command
class BringToKitchen:
    """Hand the slip with an order to the cooks."""

    order_id: str
    table_id: str
    dishes: SomeNames
    at: Moment


@command
class ReportReady:
    """Ring the bell: all of an order is cooked."""

    order_id: str


@command
class TakeToTable:
    """Carry the food of an order to a table."""

    order_id: str
    table_id: str


@event
class OrderReceived:
    order_id: str
    table_id: str
    dishes: list[str]
    at: datetime


@event
class FoodReady:
    order_id: str
    table_id: str


@event
class FoodServed:
    order_id: str
    table_id: str


class Order(Aggregate):
    """What the kitchen knows of an order. It does not know its price, nor who pays."""

    stage: Literal["unknown", "cooking", "ready", "served"] = "unknown"
    table: str = ""

    @decide
    def receive(self, command: BringToKitchen) -> Iterator[object]:
        if self.stage == "unknown":
            yield OrderReceived(self.id, command.table_id, command.dishes, command.at)

    @decide
    def report(self, command: ReportReady) -> Iterator[object]:
        self._must_be_known()
        if self.stage == "cooking":
            yield FoodReady(self.id, self.table)

    @decide
    def take(self, command: TakeToTable) -> Iterator[object]:
        self._must_be_known()
        if command.table_id != self.table:
            raise Rejected(f"Order {self.id} is for table {self.table}, not {command.table_id}")
        if self.stage == "cooking":
            raise Rejected(f"Order {self.id} is not ready")
        if self.stage == "ready":
            yield FoodServed(self.id, self.table)

    @evolve
    def order_received(self, event: OrderReceived) -> None:
        self.stage, self.table = "cooking", event.table_id

    @evolve
    def food_ready(self, event: FoodReady) -> None:
        self.stage = "ready"

    @evolve
    def food_served(self, event: FoodServed) -> None:
        self.stage = "served"

    def _must_be_known(self) -> None:
        if self.stage == "unknown":
            raise Rejected(f"The kitchen has no order {self.id}")
