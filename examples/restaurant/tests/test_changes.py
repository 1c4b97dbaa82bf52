"""What the changes decide: new rules on a base that does not know of them."""

from datetime import timedelta

from restaurant.changes.bar import BarTable, PaidAtBar, PayAtBar
from restaurant.changes.drinks import (
    DrinksCancelled,
    DrinksOrdered,
    DrinksServed,
    DrinksTable,
    OrderDrinks,
    ServeDrinks,
)
from restaurant.changes.manager import DrinksWaiterIntroduced, HostedTable, WelcomeGuests
from restaurant.changes.service import (
    DELAY,
    ComeToTable,
    ServedTable,
    ServiceDue,
    ServiceWaiterCame,
)
from restaurant.menu import Line
from restaurant.table import (
    BillPaid,
    BillPrepared,
    BillRequested,
    GuestsLeft,
    GuestsSeated,
    LeaveTable,
    OrderPlaced,
    PlaceOrder,
    PrepareBill,
    SeatGuests,
)
from restaurant.tests.evening import START
from whence.testing import given

WELCOME = WelcomeGuests("7", "V1", 2, "Dan", START)
SEATED = GuestsSeated("7", "V1", 2)
INTRODUCED = DrinksWaiterIntroduced("7", "V1", "Dan", START)
BEER = [Line("beer", 480)]
ORDERED = DrinksOrdered("7", "V1", "R1", BEER)
SERVED = DrinksServed("7", "V1", "R1", BEER)
DUE = ServiceDue("7", "V1", START + DELAY)
CAME = ServiceWaiterCame("7", "V1", START + DELAY)
SOUP = OrderPlaced("7", "V1", "O1", [Line("soup", 650)])


def test_the_manager_seats_guests_and_introduces_their_drinks_waiter() -> None:
    given(HostedTable).when(WELCOME).then(SEATED, INTRODUCED).and_when(WELCOME).then()


def test_the_manager_does_not_seat_guests_at_a_table_that_is_taken() -> None:
    taken = GuestsSeated("7", "V0", 4)
    given(HostedTable, taken).when(WELCOME).then_rejected("Table 7 is taken")


def test_only_the_manager_seats_guests_now() -> None:
    given(HostedTable).when(SeatGuests("7", "V1", 2)).then_rejected("The manager seats")


def test_drinks_are_ordered_and_served_once() -> None:
    table = given(DrinksTable, SEATED).when(OrderDrinks("7", "R1", ["beer"])).then(ORDERED)
    table = table.and_when(OrderDrinks("7", "R1", ["beer"])).then()
    table = table.and_when(ServeDrinks("7", "R1")).then(SERVED)
    table.and_when(ServeDrinks("7", "R1")).then()


def test_drinks_that_nobody_ordered_are_not_served() -> None:
    given(DrinksTable, SEATED).when(ServeDrinks("7", "R1")).then_rejected("not ordered round R1")


def test_food_is_not_on_the_drinks_menu() -> None:
    given(DrinksTable, SEATED).when(OrderDrinks("7", "R1", ["soup"])).then_rejected("no soup")


def test_drinks_are_on_the_bill_with_the_food() -> None:
    table = given(DrinksTable, SEATED, SOUP, ORDERED, SERVED, BillRequested("7", "V1"))
    lines = [Line("soup", 650), *BEER]
    table.when(PrepareBill("7")).then(BillPrepared("7", "V1", "V1-1", lines, 1130))


def test_a_prepared_bill_takes_no_more_drinks() -> None:
    bill = BillPrepared("7", "V1", "V1-1", [Line("soup", 650)], 650)
    table = given(DrinksTable, SEATED, SOUP, ORDERED, BillRequested("7", "V1"), bill)
    table.when(ServeDrinks("7", "R1")).then_rejected("pay it first")
    table.when(OrderDrinks("7", "R2", ["beer"])).then_rejected("pay it first")


def test_nobody_leaves_without_paying_for_the_drinks() -> None:
    given(DrinksTable, SEATED, ORDERED, SERVED).when(LeaveTable("7")).then_rejected("4.80 euros")


def test_drinks_that_never_came_are_cancelled_when_the_guests_leave() -> None:
    table = given(DrinksTable, SEATED, ORDERED)
    outcome = table.when(LeaveTable("7"))
    outcome.then(DrinksCancelled("7", "V1", "R1"), GuestsLeft("7", "V1"))


def test_the_service_waiter_is_due_a_while_after_the_welcome() -> None:
    given(ServedTable).when(WELCOME).then(SEATED, DUE, INTRODUCED)


def test_the_service_waiter_does_not_come_too_early() -> None:
    early = START + DELAY - timedelta(seconds=1)
    table = given(ServedTable, SEATED, DUE)
    table.when(ComeToTable("7", "V1", early)).then_rejected("still choosing")


def test_the_service_waiter_comes_once() -> None:
    table = given(ServedTable, SEATED, DUE).when(ComeToTable("7", "V1", START + DELAY)).then(CAME)
    table.and_when(ComeToTable("7", "V1", START + 2 * DELAY)).then()


def test_the_service_waiter_does_not_come_to_guests_who_have_left() -> None:
    table = given(ServedTable, SEATED, DUE, GuestsLeft("7", "V1"))
    table.when(ComeToTable("7", "V1", START + DELAY)).then_rejected("not at table 7")


def test_nobody_orders_food_before_the_service_waiter_came() -> None:
    order = PlaceOrder("7", "O1", ["soup"])
    table = given(ServedTable, SEATED, DUE)
    table.when(order).then_rejected("has not come yet")
    given(ServedTable, SEATED, DUE, CAME).when(order).then(SOUP)


def test_the_next_guests_do_not_inherit_the_waiting() -> None:
    table = given(ServedTable, SEATED, DUE, GuestsLeft("7", "V1"), GuestsSeated("7", "V2", 1))
    table.when(PlaceOrder("7", "O1", ["soup"])).then(
        OrderPlaced("7", "V2", "O1", [Line("soup", 650)])
    )


def test_paying_at_the_bar_prepares_and_pays_the_bill_in_one_step() -> None:
    outcome = given(BarTable, SEATED, SOUP).when(PayAtBar("7", "V1", 700, START))
    outcome.then(
        BillPrepared("7", "V1", "V1-1", [Line("soup", 650)], 650),
        BillPaid("7", "V1", "V1-1", 650, 50, START),
        PaidAtBar("7", "V1", "V1-1", 650, START),
    )
    outcome.and_when(LeaveTable("7")).then(GuestsLeft("7", "V1"))


def test_a_bill_that_lies_on_the_table_can_be_paid_at_the_bar() -> None:
    bill = BillPrepared("7", "V1", "V1-1", [Line("soup", 650)], 650)
    table = given(BarTable, SEATED, SOUP, BillRequested("7", "V1"), bill)
    table.when(PayAtBar("7", "V1", 650, START)).then(
        BillPaid("7", "V1", "V1-1", 650, 0, START), PaidAtBar("7", "V1", "V1-1", 650, START)
    )


def test_too_little_at_the_bar_pays_nothing_and_prepares_nothing() -> None:
    table = given(BarTable, SEATED, SOUP)
    table.when(PayAtBar("7", "V1", 600, START)).then_rejected("0.50 euros are missing")


def test_nobody_pays_at_the_bar_for_others() -> None:
    given(BarTable, SEATED, SOUP).when(PayAtBar("7", "V9", 650, START)).then_rejected("V9")
