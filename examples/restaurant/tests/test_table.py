"""What a table decides: the rules of a visit."""

from datetime import UTC, datetime

from restaurant.menu import Line
from restaurant.table import (
    AskForBill,
    BillPaid,
    BillPrepared,
    BillRequested,
    GuestsLeft,
    GuestsSeated,
    LeaveTable,
    OrderPlaced,
    PayBill,
    PlaceOrder,
    PrepareBill,
    SeatGuests,
    Table,
)
from whence.testing import given

NINE = datetime(2026, 6, 1, 21, tzinfo=UTC)
SOUP = Line("soup", 650)
SEATED = GuestsSeated("7", "V1", 2)
ORDERED = OrderPlaced("7", "V1", "O1", [SOUP, SOUP])
ASKED = BillRequested("7", "V1")
PREPARED = BillPrepared("7", "V1", "V1-1", [SOUP, SOUP], 1300)
PAID = BillPaid("7", "V1", "V1-1", 1300, 100, NINE)


def test_guests_are_seated_at_a_free_table() -> None:
    given(Table).when(SeatGuests("7", "V1", 2)).then(SEATED)


def test_a_table_that_is_taken_takes_no_others() -> None:
    given(Table, SEATED).when(SeatGuests("7", "V2", 4)).then_rejected("Table 7 is taken")


def test_seating_the_same_guests_again_changes_nothing() -> None:
    given(Table, SEATED).when(SeatGuests("7", "V1", 2)).then()


def test_a_party_has_at_least_one_guest() -> None:
    given(Table).when(SeatGuests("7", "V1", 0)).then_invalid("guests")


def test_an_order_keeps_the_prices_of_its_moment() -> None:
    given(Table, SEATED).when(PlaceOrder("7", "O1", ["soup", "soup"])).then(ORDERED)


def test_what_is_not_on_the_menu_cannot_be_ordered() -> None:
    given(Table, SEATED).when(PlaceOrder("7", "O1", ["unicorn"])).then_rejected("no unicorn")


def test_an_order_holds_something() -> None:
    given(Table, SEATED).when(PlaceOrder("7", "O1", [])).then_invalid("dishes")


def test_nobody_orders_from_an_empty_table() -> None:
    given(Table).when(PlaceOrder("7", "O1", ["soup"])).then_rejected("Nobody sits at table 7")


def test_placing_the_same_order_again_changes_nothing() -> None:
    given(Table, SEATED, ORDERED).when(PlaceOrder("7", "O1", ["soup"])).then()


def test_guests_who_have_ordered_may_ask_for_the_bill() -> None:
    given(Table, SEATED, ORDERED).when(AskForBill("7")).then(ASKED).and_when(
        AskForBill("7")
    ).then()


def test_there_is_no_bill_for_nothing() -> None:
    given(Table, SEATED).when(AskForBill("7")).then_rejected("There is nothing to pay")


def test_the_bill_holds_all_that_was_ordered() -> None:
    more = OrderPlaced("7", "V1", "O2", [Line("steak", 2450)])
    outcome = given(Table, SEATED, ORDERED, more, ASKED).when(PrepareBill("7"))
    outcome.then(BillPrepared("7", "V1", "V1-1", [SOUP, SOUP, Line("steak", 2450)], 3750))


def test_a_bill_that_nobody_asked_for_is_not_prepared() -> None:
    given(Table, SEATED, ORDERED).when(PrepareBill("7")).then_rejected("asked for the bill")


def test_a_bill_is_prepared_once() -> None:
    given(Table, SEATED, ORDERED, ASKED, PREPARED).when(PrepareBill("7")).then()


def test_a_prepared_bill_grows_no_more() -> None:
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED)
    table.when(PlaceOrder("7", "O2", ["soup"])).then_rejected("pay it first")


def test_what_is_more_than_the_total_is_the_tip() -> None:
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED)
    table.when(PayBill("7", "V1-1", 1400, NINE)).then(PAID)


def test_too_little_pays_nothing() -> None:
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED)
    table.when(PayBill("7", "V1-1", 1200, NINE)).then_rejected("1.00 euros are missing")


def test_nobody_pays_the_bill_of_others() -> None:
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED)
    table.when(PayBill("7", "V9-1", 1300, NINE)).then_rejected("has no bill V9-1")


def test_a_bill_is_paid_once() -> None:
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED, PAID)
    table.when(PayBill("7", "V1-1", 1300, NINE)).then()


def test_a_payment_says_when_and_in_which_time_zone() -> None:
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED)
    table.when(PayBill("7", "V1-1", 1300, datetime(2026, 6, 1, 21))).then_invalid("at")


def test_guests_who_have_paid_may_leave() -> None:
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED, PAID)
    table.when(LeaveTable("7")).then(GuestsLeft("7", "V1")).and_when(LeaveTable("7")).then()


def test_guests_who_have_ordered_nothing_may_leave() -> None:
    given(Table, SEATED).when(LeaveTable("7")).then(GuestsLeft("7", "V1"))


def test_nobody_leaves_without_paying() -> None:
    given(Table, SEATED, ORDERED).when(LeaveTable("7")).then_rejected("13.00 euros are still")


def test_who_has_paid_may_order_again_and_pays_only_that() -> None:
    again = [OrderPlaced("7", "V1", "O2", [Line("ice cream", 560)]), ASKED]
    table = given(Table, SEATED, ORDERED, ASKED, PREPARED, PAID, *again)
    outcome = table.when(PrepareBill("7"))
    outcome.then(BillPrepared("7", "V1", "V1-2", [Line("ice cream", 560)], 560))


def test_a_table_is_free_again_for_the_next_guests() -> None:
    table = given(Table, SEATED, GuestsLeft("7", "V1"))
    table.when(SeatGuests("7", "V2", 4)).then(GuestsSeated("7", "V2", 4))
