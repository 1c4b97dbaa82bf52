"""What the books need: every bill, and what each day took in."""

from datetime import datetime, timedelta
from typing import Annotated

from restaurant.menu import Line
from restaurant.table import BillPaid, BillPrepared
from whence import Index, ReadModel, evolve

CLOSING_TIME = timedelta(hours=4)
"""An evening belongs to the day on which it began, until four in the morning."""


class Bills(ReadModel):
    """A bill: what is on it, and whether it is paid."""

    bill_id: str
    table_id: Annotated[str, Index()] = ""
    visit_id: Annotated[str, Index()] = ""
    lines: list[Line] = []
    total: int = 0
    tip: int = 0
    paid: bool = False

    @evolve
    def bill_prepared(self, event: BillPrepared) -> None:
        self.table_id, self.visit_id = event.table_id, event.visit_id
        self.lines, self.total = event.lines, event.total

    @evolve
    def bill_paid(self, event: BillPaid) -> None:
        self.paid, self.tip = True, event.tip


def business_day(moment: datetime) -> str:
    """The day to whose takings ``moment`` belongs, by the restaurant's own clock."""
    return (moment - CLOSING_TIME).date().isoformat()


class Takings(ReadModel):
    """What a day took in."""

    day: str
    bills: int = 0
    total: int = 0
    tips: int = 0

    @evolve(key=lambda event: business_day(event.at))
    def bill_paid(self, event: BillPaid) -> None:
        self.bills += 1
        self.total += event.total
        self.tips += event.tip
