"""What the kitchen decides: food gets to the right table, once, and cooked."""

from datetime import UTC, datetime

from restaurant.kitchen import (
    BringToKitchen,
    FoodReady,
    FoodServed,
    Order,
    OrderReceived,
    ReportReady,
    TakeToTable,
)
from whence.testing import given

EIGHT = datetime(2026, 6, 1, 20, tzinfo=UTC)
RECEIVED = OrderReceived("O1", "7", ["soup"], EIGHT)
READY = FoodReady("O1", "7")
SERVED = FoodServed("O1", "7")


def test_an_order_is_received_once() -> None:
    outcome = given(Order).when(BringToKitchen("O1", "7", ["soup"], EIGHT)).then(RECEIVED)
    outcome.and_when(BringToKitchen("O1", "7", ["soup"], EIGHT)).then()


def test_food_becomes_ready() -> None:
    given(Order, RECEIVED).when(ReportReady("O1")).then(READY).and_when(ReportReady("O1")).then()


def test_an_order_that_the_kitchen_does_not_have_is_never_ready() -> None:
    given(Order).when(ReportReady("O1")).then_rejected("The kitchen has no order O1")


def test_food_is_taken_to_the_table_that_ordered_it() -> None:
    outcome = given(Order, RECEIVED, READY).when(TakeToTable("O1", "7")).then(SERVED)
    outcome.and_when(TakeToTable("O1", "7")).then()


def test_food_is_not_taken_to_another_table() -> None:
    outcome = given(Order, RECEIVED, READY).when(TakeToTable("O1", "8"))
    outcome.then_rejected("Order O1 is for table 7, not 8")


def test_food_is_not_taken_before_it_is_ready() -> None:
    given(Order, RECEIVED).when(TakeToTable("O1", "7")).then_rejected("Order O1 is not ready")
