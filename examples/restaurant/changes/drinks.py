"""Drinks are served, by a waiter of their own. They are on the bill once they are on the table."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from restaurant.boards import KitchenQueue
from restaurant.changes.manager import HostedTable, HostedTableBoard
from restaurant.fields import SomeNames
from restaurant.kitchen import Order
from restaurant.menu import Line, priced
from restaurant.money import Bills, Takings
from restaurant.table import GuestsSeated, LeaveTable
from whence import App, Index, ReadModel, Rejected, command, decide, event, evolve

DRINKS: Mapping[str, int] = {"water": 290, "lemonade": 420, "beer": 480, "wine": 690}


@command
class OrderDrinks:
    """Tell the drinks waiter what the guests would like."""

    table_id: str
    round_id: str
    drinks: SomeNames


@command
class ServeDrinks:
    """Bring a round to the table."""

    table_id: str
    round_id: str


@event
class DrinksOrdered:
    table_id: str
    visit_id: str
    round_id: str
    lines: list[Line]


@event
class DrinksServed:
    table_id: str
    visit_id: str
    round_id: str
    lines: list[Line]


@event
class DrinksCancelled:
    table_id: str
    visit_id: str
    round_id: str


class DrinksTable(HostedTable):
    """A table where drinks are served."""

    rounds: dict[str, list[Line]] = {}
    """Ordered, and not served yet."""
    served: list[str] = []
    """Rounds of this visit."""

    @decide
    def order_drinks(self, command: OrderDrinks) -> Iterator[object]:
        self.must_be_taken()
        if command.round_id in self.rounds or command.round_id in self.served:
            return
        self.must_take_orders()
        lines = priced(command.drinks, DRINKS)
        yield DrinksOrdered(self.id, self.visit, command.round_id, lines)

    @decide
    def serve_drinks(self, command: ServeDrinks) -> Iterator[object]:
        self.must_be_taken()
        if command.round_id in self.served:
            return
        if command.round_id not in self.rounds:
            raise Rejected(f"Table {self.id} has not ordered round {command.round_id}")
        self.must_take_orders()
        lines = self.rounds[command.round_id]
        yield DrinksServed(self.id, self.visit, command.round_id, lines)

    @decide
    def leave(self, command: LeaveTable) -> Iterator[object]:
        for left in super().leave(command):
            for round_id in [*self.rounds]:
                yield DrinksCancelled(self.id, self.visit, round_id)
            yield left

    @evolve
    def guests_seated(self, event: GuestsSeated) -> None:
        super().guests_seated(event)
        self.rounds, self.served = {}, []

    @evolve
    def drinks_ordered(self, event: DrinksOrdered) -> None:
        self.rounds[event.round_id] = event.lines

    @evolve
    def drinks_served(self, event: DrinksServed) -> None:
        del self.rounds[event.round_id]
        self.served.append(event.round_id)
        self.unpaid.extend(event.lines)

    @evolve
    def drinks_cancelled(self, event: DrinksCancelled) -> None:
        del self.rounds[event.round_id]


class DrinksToServe(ReadModel):
    """A round that a drinks waiter has to bring."""

    round_id: str
    table_id: Annotated[str, Index()] = ""
    drinks: list[str] = []

    @evolve
    def drinks_ordered(self, event: DrinksOrdered) -> None:
        self.table_id = event.table_id
        self.drinks = [line.name for line in event.lines]

    @evolve
    def drinks_done(self, event: DrinksServed | DrinksCancelled) -> None:
        self.delete()


app = App(
    "restaurant",
    DrinksTable,
    Order,
    HostedTableBoard,
    KitchenQueue,
    DrinksToServe,
    Bills,
    Takings,
)
