"""The official examples of https://dcb.events, with its words, as decisions over several things.

Two of them are put right here: the opt-in token's expiry, which its published test never reaches,
and the boundary of a single product's price, which is published without its tag.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated

import pytest

from whence import App, DecisionModel, Receipt, Rejected, Tag, command, event, evolve
from whence.clock import ManualClock
from whence.store import matching
from whence.testing import given

app = App("examples", store="memory://")
NOW = ManualClock().now()


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


# 1. Course subscriptions.

CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[str, Tag("student")]


@event
class CourseDefined:
    course_id: CourseId
    capacity: int


@event
class CourseCapacityChanged:
    course_id: CourseId
    new_capacity: int


@event
class StudentSubscribedToCourse:
    student_id: StudentId
    course_id: CourseId


@command
class DefineCourse:
    course_id: str
    capacity: int


@command
class ChangeCourseCapacity:
    course_id: str
    new_capacity: int


@command
class SubscribeStudentToCourse:
    student_id: str
    course_id: str


class Course(DecisionModel):
    course_id: CourseId
    exists = False
    capacity = 0

    @evolve
    def _(self, event: CourseDefined) -> None:
        self.exists = True
        self.capacity = event.capacity

    @evolve
    def _(self, event: CourseCapacityChanged) -> None:
        self.capacity = event.new_capacity


class CourseSubscriptions(DecisionModel):
    course_id: CourseId
    count = 0

    @evolve
    def _(self, event: StudentSubscribedToCourse) -> None:
        self.count += 1


class StudentSubscriptions(DecisionModel):
    student_id: StudentId
    count = 0

    @evolve
    def _(self, event: StudentSubscribedToCourse) -> None:
        self.count += 1


class Subscription(DecisionModel):
    student_id: StudentId
    course_id: CourseId
    there = False

    @evolve
    def _(self, event: StudentSubscribedToCourse) -> None:
        self.there = True


@app.decides
def define_course(command: DefineCourse, course: Course) -> Iterator[object]:
    if course.exists:
        raise Rejected(f'Course with id "{command.course_id}" already exists')
    yield CourseDefined(command.course_id, command.capacity)


@app.decides
def change_capacity(command: ChangeCourseCapacity, course: Course) -> Iterator[object]:
    if not course.exists:
        raise Rejected(f'Course "{command.course_id}" does not exist')
    if course.capacity == command.new_capacity:
        raise Rejected(f"New capacity {course.capacity} is the same as the current capacity")
    yield CourseCapacityChanged(command.course_id, command.new_capacity)


@app.decides
def subscribe(
    command: SubscribeStudentToCourse,
    course: Course,
    in_course: CourseSubscriptions,
    of_student: StudentSubscriptions,
    subscription: Subscription,
) -> Iterator[object]:
    if not course.exists:
        raise Rejected(f'Course "{command.course_id}" does not exist')
    if in_course.count >= course.capacity:
        raise Rejected(f'Course "{command.course_id}" is already fully booked')
    if subscription.there:
        raise Rejected("Student already subscribed to this course")
    if of_student.count >= 5:
        raise Rejected("Student already subscribed to 5 courses")
    yield StudentSubscribedToCourse(command.student_id, command.course_id)


def subscribed(student: str, *courses: str) -> list[StudentSubscribedToCourse]:
    return [StudentSubscribedToCourse(student, course) for course in courses]


def test_a_course_is_defined_once() -> None:
    given(define_course).when(DefineCourse("c1", 15)).then(CourseDefined("c1", 15))
    given(define_course, CourseDefined("c1", 10)).when(DefineCourse("c1", 15)).then_rejected(
        'Course with id "c1" already exists'
    )


def test_the_capacity_of_a_course_is_changed() -> None:
    there = given(change_capacity, CourseDefined("c1", 12))
    there.when(ChangeCourseCapacity("c1", 15)).then(CourseCapacityChanged("c1", 15))
    there.when(ChangeCourseCapacity("c0", 15)).then_rejected('Course "c0" does not exist')
    there.when(ChangeCourseCapacity("c1", 12)).then_rejected(
        "New capacity 12 is the same as the current capacity"
    )


def test_a_student_subscribes_to_a_course() -> None:
    there = given(subscribe, CourseDefined("c1", 10))
    there.when(SubscribeStudentToCourse("s1", "c1")).then(*subscribed("s1", "c1"))
    there.when(SubscribeStudentToCourse("s1", "c0")).then_rejected('Course "c0" does not exist')


def test_a_course_may_be_fully_booked() -> None:
    full = given(
        subscribe,
        CourseDefined("c1", 3),
        *subscribed("s1", "c1"),
        *subscribed("s2", "c1"),
        *subscribed("s3", "c1"),
    )
    full.when(SubscribeStudentToCourse("s4", "c1")).then_rejected(
        'Course "c1" is already fully booked'
    )
    full.when(SubscribeStudentToCourse("s1", "c1")).then_rejected("already fully booked")


def test_nobody_subscribes_twice() -> None:
    given(subscribe, CourseDefined("c1", 10), *subscribed("s1", "c1")).when(
        SubscribeStudentToCourse("s1", "c1")
    ).then_rejected("Student already subscribed to this course")


def test_nobody_subscribes_to_more_than_five_courses() -> None:
    busy = given(
        subscribe, CourseDefined("c6", 10), *subscribed("s1", "c1", "c2", "c3", "c4", "c5")
    )
    busy.when(SubscribeStudentToCourse("s1", "c6")).then_rejected(
        "Student already subscribed to 5 courses"
    )
    busy.when(SubscribeStudentToCourse("s2", "c6")).then(*subscribed("s2", "c6"))


# 2. Unique username.


def hashed(username: str) -> str:
    """Tags are not secret, and ``jamesbond`` is ``JamesBond``."""
    return sha256(username.lower().encode()).hexdigest()


Username = Annotated[str, Tag("username", hashed)]
RETENTION = timedelta(days=3)


@event
class AccountRegistered:
    username: Username
    at: datetime


@event
class AccountClosed:
    username: Username
    at: datetime


@event
class UsernameChanged:
    old_username: Username
    new_username: Username
    at: datetime


@command
class RegisterAccount:
    username: str
    at: datetime = NOW


class Claim(DecisionModel):
    """Who has a name, and until when it is kept for him who had it."""

    username: Username
    claimed = False
    until: datetime | None = None

    @evolve
    def _(self, event: AccountRegistered) -> None:
        self.claimed = True

    @evolve
    def _(self, event: AccountClosed) -> None:
        self._leave(event.at)

    @evolve
    def _(self, event: UsernameChanged) -> None:
        if hashed(event.new_username) == hashed(self.username):
            self.claimed = True
        else:
            self._leave(event.at)

    def _leave(self, at: datetime) -> None:
        self.claimed, self.until = False, at + RETENTION


@app.decides
def register(command: RegisterAccount, claim: Claim) -> Iterator[object]:
    if claim.claimed or (claim.until and command.at <= claim.until):
        raise Rejected(f'Username "{command.username}" is claimed')
    yield AccountRegistered(command.username, command.at)


registered = AccountRegistered("u1", ago(days=4))
taken = 'Username "u1" is claimed'


def test_a_username_is_registered_once() -> None:
    given(register).when(RegisterAccount("u1")).then(AccountRegistered("u1", NOW))
    given(register, registered).when(RegisterAccount("u1")).then_rejected(taken)
    given(register, registered).when(RegisterAccount("u2")).then(AccountRegistered("u2", NOW))


def test_a_username_is_the_same_in_capitals() -> None:
    given(register, AccountRegistered("jamesbond", ago(days=1))).when(
        RegisterAccount("JamesBond")
    ).then_rejected('Username "JamesBond" is claimed')


@pytest.mark.parametrize(("days", "free"), [(0, False), (3, False), (4, True)])
def test_a_username_is_kept_for_three_days_after_it_was_left(days: int, free: bool) -> None:
    for left in (
        AccountClosed("u1", ago(days=days)),
        UsernameChanged("u1", "u1changed", ago(days=days)),
    ):
        outcome = given(register, registered, left).when(RegisterAccount("u1"))
        if free:
            outcome.then(AccountRegistered("u1", NOW))
        else:
            outcome.then_rejected(taken)


def test_a_username_that_somebody_changed_to_is_taken() -> None:
    changed = UsernameChanged("u1", "u1changed", ago(days=9))
    given(register, registered, changed).when(RegisterAccount("u1changed")).then_rejected(
        'Username "u1changed" is claimed'
    )


# 3. Invoice number.


@event
class InvoiceCreated:
    invoice_number: Annotated[int, Tag("invoice")]
    data: str


@command
class CreateInvoice:
    data: str


class LastInvoice(DecisionModel):
    number = 0

    @evolve
    def _(self, event: InvoiceCreated) -> None:
        self.number = event.invoice_number


@app.decides
def create_invoice(command: CreateInvoice, last: LastInvoice) -> Iterator[object]:
    yield InvoiceCreated(last.number + 1, command.data)


def test_invoices_are_numbered_without_a_gap() -> None:
    given(create_invoice).when(CreateInvoice("a")).then(InvoiceCreated(1, "a"))
    given(create_invoice, InvoiceCreated(1, "a")).when(CreateInvoice("b")).then(
        InvoiceCreated(2, "b")
    )


# 4. Opt-in token.

Email = Annotated[str, Tag("email", hashed)]
Otp = Annotated[str, Tag("otp")]


@event
class SignUpInitiated:
    email: Email
    otp: Otp
    name: str
    at: datetime


@event
class SignUpConfirmed:
    email: Email
    otp: Otp
    name: str


@command
class ConfirmSignUp:
    email: str
    otp: str
    at: datetime = NOW


class PendingSignUp(DecisionModel):
    email: Email
    otp: Otp
    name: str | None = None
    since: datetime | None = None
    used = False

    @evolve
    def _(self, event: SignUpInitiated) -> None:
        self.name, self.since = event.name, event.at

    @evolve
    def _(self, event: SignUpConfirmed) -> None:
        self.used = True


@app.decides
def confirm(command: ConfirmSignUp, pending: PendingSignUp) -> Iterator[object]:
    if pending.name is None or pending.since is None:
        raise Rejected("No pending sign-up for this OTP / email address")
    if pending.used:
        raise Rejected("OTP was already used")
    if command.at - pending.since > timedelta(minutes=60):
        raise Rejected("OTP expired")
    yield SignUpConfirmed(command.email, command.otp, pending.name)


def initiated(otp: str, minutes: float = 1, name: str = "John Doe") -> SignUpInitiated:
    return SignUpInitiated("john@example.com", otp, name, ago(minutes=minutes))


NONE_PENDING = "No pending sign-up for this OTP / email address"


def test_only_what_was_initiated_can_be_confirmed() -> None:
    given(confirm).when(ConfirmSignUp("john@example.com", "000000")).then_rejected(NONE_PENDING)
    given(confirm, initiated("111111")).when(
        ConfirmSignUp("jane@example.com", "111111")
    ).then_rejected(NONE_PENDING)
    given(confirm, initiated("111111")).when(
        ConfirmSignUp("john@example.com", "000000")
    ).then_rejected(NONE_PENDING)


def test_a_token_is_used_once() -> None:
    given(
        confirm,
        initiated("222222"),
        SignUpConfirmed("john@example.com", "222222", "John Doe"),
    ).when(ConfirmSignUp("john@example.com", "222222")).then_rejected("OTP was already used")


def test_a_confirmation_has_the_name_from_the_beginning() -> None:
    given(confirm, initiated("444444")).when(ConfirmSignUp("john@example.com", "444444")).then(
        SignUpConfirmed("john@example.com", "444444", "John Doe")
    )


def test_a_token_expires_after_an_hour() -> None:
    late = given(confirm, initiated("333333", minutes=61))
    late.when(ConfirmSignUp("john@example.com", "333333")).then_rejected("OTP expired")
    just = given(confirm, initiated("333333", minutes=60))
    just.when(ConfirmSignUp("john@example.com", "333333")).then(
        SignUpConfirmed("john@example.com", "333333", "John Doe")
    )


# 5. Dynamic product price.

ProductId = Annotated[str, Tag("product")]
GRACE = timedelta(minutes=10)


@event
class ProductDefined:
    product_id: ProductId
    price: int
    at: datetime


@event
class ProductPriceChanged:
    product_id: ProductId
    new_price: int
    at: datetime


@dataclass(frozen=True)
class Line:
    product_id: ProductId
    price: int


@event
class ProductsOrdered:
    product_ids: Annotated[list[str], Tag("product")]
    lines: list[Line]


@command
class OrderProducts:
    lines: list[Line]
    at: datetime = NOW

    @property
    def product_ids(self) -> list[str]:
        return [line.product_id for line in self.lines]


class Prices(DecisionModel):
    """Of some products: since when each costs how much."""

    product_ids: Annotated[list[str], Tag("product")]
    known: dict[str, list[tuple[datetime, int]]] = {}

    @evolve
    def _(self, event: ProductDefined) -> None:
        self.known.setdefault(event.product_id, []).append((event.at, event.price))

    @evolve
    def _(self, event: ProductPriceChanged) -> None:
        self.known.setdefault(event.product_id, []).append((event.at, event.new_price))

    def valid(self, product_id: str, at: datetime) -> set[int]:
        """The last one that is older than the time of grace, and all that came since."""
        prices = self.known.get(product_id, [])
        old = [price for since, price in prices if at - since > GRACE]
        return {*old[-1:], *(price for since, price in prices if at - since <= GRACE)}


@app.decides
def order(command: OrderProducts, prices: Prices) -> Iterator[object]:
    for line in command.lines:
        if line.price not in prices.valid(line.product_id, command.at):
            raise Rejected(f'invalid price for product "{line.product_id}"')
    yield ProductsOrdered(command.product_ids, command.lines)


@pytest.mark.parametrize(
    ("history", "price", "valid"),
    [
        ([ProductDefined("p1", 123, NOW)], 100, False),
        ([ProductDefined("p1", 123, NOW)], 123, True),
        ([ProductDefined("p1", 123, ago(minutes=20))], 100, False),
        ([ProductDefined("p1", 123, ago(minutes=20))], 123, True),
        (
            [
                ProductDefined("p1", 123, ago(minutes=20)),
                ProductPriceChanged("p1", 134, ago(minutes=20)),
            ],
            123,
            False,
        ),
        (
            [
                ProductDefined("p1", 123, ago(minutes=20)),
                ProductPriceChanged("p1", 134, ago(minutes=9)),
            ],
            123,
            True,
        ),
        (
            [
                ProductDefined("p1", 123, ago(minutes=20)),
                ProductPriceChanged("p1", 134, ago(minutes=9)),
            ],
            134,
            True,
        ),
        ([ProductDefined("p2", 123, ago(minutes=20))], 123, False),
    ],
)
def test_a_price_is_valid_for_ten_minutes_after_it_changed(
    history: list[object], price: int, valid: bool
) -> None:
    lines = [Line("p1", price)]
    outcome = given(order, *history).when(OrderProducts(lines))
    if valid:
        outcome.then(ProductsOrdered(["p1"], lines))
    else:
        outcome.then_rejected('invalid price for product "p1"')


several = given(
    order,
    ProductDefined("p1", 123, ago(minutes=20)),
    ProductPriceChanged("p1", 134, ago(minutes=9)),
    ProductDefined("p2", 321, ago(minutes=8)),
)


def test_several_products_are_one_boundary() -> None:
    lines = [Line("p1", 123), Line("p2", 321)]
    several.when(OrderProducts(lines)).then(ProductsOrdered(["p1", "p2"], lines))
    wrong = [Line("p1", 123), Line("p2", 123)]
    several.when(OrderProducts(wrong)).then_rejected('invalid price for product "p2"')


def test_an_empty_cart_has_an_empty_boundary() -> None:
    several.when(OrderProducts([])).then(ProductsOrdered([], []))


# 6. Prevent record duplication.


@event
class OrderPlaced:
    order_id: Annotated[str, Tag("order")]
    idempotency_token: Annotated[str, Tag("idempotency")]


@command
class PlaceOrder:
    order_id: str
    idempotency_token: str


class Token(DecisionModel):
    idempotency_token: Annotated[str, Tag("idempotency")]
    used = False

    @evolve
    def _(self, event: OrderPlaced) -> None:
        self.used = True


@app.decides
def place_order(command: PlaceOrder, token: Token) -> Iterator[object]:
    if token.used:
        raise Rejected("Re-submission")
    yield OrderPlaced(command.order_id, command.idempotency_token)


def test_an_order_is_not_placed_twice() -> None:
    placed = given(place_order, OrderPlaced("o12345", "11111"))
    placed.when(PlaceOrder("o54321", "11111")).then_rejected("Re-submission")
    placed.when(PlaceOrder("o54321", "22222")).then(OrderPlaced("o54321", "22222"))


async def test_better_than_an_error_is_the_first_answer() -> None:
    async with app.using(store="memory://") as shop:
        first = await shop.send(PlaceOrder("o12345", "11111"), id="11111")
        again = await shop.send(PlaceOrder("o12345", "11111"), id="11111")
    assert again == Receipt(first.position, first.versions, first.events, duplicate=True)


# 7. An aggregate, selected by its tag.


@command
class Resize:
    course_id: str
    capacity: int


class EventSourcedCourse(DecisionModel):
    course_id: CourseId
    exists = False
    capacity = 0
    students: set[str] = set()

    @evolve
    def _(self, event: CourseDefined) -> None:
        self.exists, self.capacity = True, event.capacity

    @evolve
    def _(self, event: CourseCapacityChanged) -> None:
        self.capacity = event.new_capacity

    @evolve
    def _(self, event: StudentSubscribedToCourse) -> None:
        self.students.add(event.student_id)


@app.decides
def resize(command: Resize, course: EventSourcedCourse) -> Iterator[object]:
    if command.capacity == course.capacity:
        raise Rejected(
            f'Course "{command.course_id}" already has a capacity of "{command.capacity}"'
        )
    if command.capacity < len(course.students):
        raise Rejected(f'Course "{command.course_id}" has {len(course.students)} students')
    yield CourseCapacityChanged(command.course_id, command.capacity)


async def test_an_aggregate_may_be_selected_by_its_tag() -> None:
    async with app.using(store="memory://") as school:
        await school.send(DefineCourse("c1", 10))
        await school.send(Resize("c1", 15))
        with pytest.raises(Rejected, match='Course "c1" already has a capacity of "15"'):
            await school.send(Resize("c1", 15))
        for student in ("s1", "s2"):
            await school.send(SubscribeStudentToCourse(student, "c1"))
        with pytest.raises(Rejected, match='Course "c1" has 2 students'):
            await school.send(Resize("c1", 1))
        await school.send(Resize("c1", 2))
        with pytest.raises(Rejected, match="already fully booked"):
            await school.send(SubscribeStudentToCourse("s3", "c1"))
        pages = school.running.store.read(matching(tags=["course:c1"]))
        types = [recorded.type async for page in pages for recorded in page.events]
    assert types == [
        "CourseDefined",
        "CourseCapacityChanged",
        "StudentSubscribedToCourse",
        "StudentSubscribedToCourse",
        "CourseCapacityChanged",
    ]
