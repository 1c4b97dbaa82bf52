"""Read models whose rows are traced: by streams, by tags, by functions, and by types."""

from collections.abc import Iterator
from typing import Annotated, Any

from whence import Aggregate, App, ReadModel, Tag, command, decide, event, evolve
from whence.readmodels import ReadModelSpec
from whence.store import Item


@event
class Opened:
    account_id: str
    owner: str


@event
class Paid:
    account_id: str
    amount: int


@event
class Moved:
    """Touches two accounts, in a stream of neither."""

    source: str
    target: str
    amount: int


@event
class Closed:
    account_id: str


@event
class Audited:
    """Changes no row, but is in the streams of accounts."""

    note: str


@event
class Joined:
    """Is in no stream, and found by its tags."""

    course_id: Annotated[str, Tag("course")]
    student_ids: Annotated[list[str], Tag("student", str.lower)]


@event
class Left:
    course_id: Annotated[str, Tag("course")]
    student_ids: list[Annotated[str, Tag("student", str.lower)]]


@command
class Open:
    account_id: str
    owner: str


@command
class Pay:
    account_id: str
    amount: int


class Account(Aggregate):
    opened = False

    @decide
    def open(self, command: Open) -> Iterator[Opened]:
        yield Opened(command.account_id, command.owner)

    @decide
    def pay(self, command: Pay) -> Iterator[Paid]:
        yield Paid(command.account_id, command.amount)

    @evolve
    def _(self, event: Opened) -> None:
        self.opened = True

    @evolve
    def _(self, event: Paid | Closed) -> None:
        pass


def both(event: Moved) -> list[str]:
    return [event.source, event.target]


class Balance(ReadModel):
    account_id: str
    owner: str = ""
    amounts: list[int] = []

    @evolve
    def _(self, event: Opened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: Paid) -> None:
        self.amounts.append(event.amount)

    @evolve
    def _(self, event: Closed) -> None:
        self.delete()


class Movement(ReadModel):
    """Found by types alone, as far as it is moved."""

    account_id: str
    total: int = 0

    @evolve
    def _(self, event: Paid) -> None:
        self.total += event.amount

    @evolve(key=both)
    def _(self, event: Moved) -> None:
        self.total += event.amount if self.account_id == event.target else -event.amount


class Course(ReadModel, key="course_id"):
    course_id: str
    students: list[str] = []

    @evolve
    def _(self, event: Joined) -> None:
        self.students = [*self.students, *event.student_ids]

    @evolve
    def _(self, event: Left) -> None:
        self.students = [one for one in self.students if one not in event.student_ids]
        if not self.students:
            self.delete()


class Student(ReadModel):
    student_id: str
    courses: list[str] = []

    @evolve(key="student_ids")
    def _(self, event: Joined) -> None:
        self.courses = [*self.courses, event.course_id]

    @evolve(key="student_ids")
    def _(self, event: Left) -> None:
        self.courses = [one for one in self.courses if one != event.course_id]


class Owner(ReadModel):
    """By a field that is no id."""

    owner: str
    accounts: int = 0

    @evolve
    def _(self, event: Opened) -> None:
        self.accounts += 1


app = App("bank", Account, Balance, Movement, Course, Student, Owner)
app.wiring.events.form(Audited)
SPECS = {spec.cls: spec for spec in app.wiring.specs()}


def spec_of(model: type[ReadModel], *parts: Any) -> ReadModelSpec[Any]:
    (spec,) = App("other", model, *parts).wiring.specs()
    return spec


def types(*events: str) -> Item:
    return Item(frozenset(events))
