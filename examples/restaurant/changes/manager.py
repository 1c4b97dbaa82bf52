"""The manager seats you, and introduces your drinks waiter."""

from collections.abc import Iterator
from datetime import datetime

from restaurant.boards import KitchenQueue, TableBoard
from restaurant.fields import AtLeastOne, Moment
from restaurant.kitchen import Order
from restaurant.money import Bills, Takings
from restaurant.table import SeatGuests, Table
from whence import App, Rejected, command, decide, event, evolve


@command
class WelcomeGuests:
    """Show guests to a free table, and tell them who brings their drinks."""

    table_id: str
    visit_id: str
    guests: AtLeastOne
    drinks_waiter: str
    at: Moment


@event
class DrinksWaiterIntroduced:
    table_id: str
    visit_id: str
    drinks_waiter: str
    at: datetime


class HostedTable(Table):
    """A table to which the manager leads."""

    @decide
    def welcome(self, command: WelcomeGuests) -> Iterator[object]:
        for seated in super().seat(SeatGuests(self.id, command.visit_id, command.guests)):
            yield seated
            yield DrinksWaiterIntroduced(
                self.id, command.visit_id, command.drinks_waiter, command.at
            )

    @decide
    def seat(self, command: SeatGuests) -> Iterator[object]:
        raise Rejected("The manager seats the guests")


class HostedTableBoard(TableBoard):
    """The board of the tables, with who brings the drinks."""

    drinks_waiter: str = ""

    @evolve
    def drinks_waiter_introduced(self, event: DrinksWaiterIntroduced) -> None:
        self.drinks_waiter = event.drinks_waiter


app = App("restaurant", HostedTable, Order, HostedTableBoard, KitchenQueue, Bills, Takings)
