"""A school: students, courses, and what is decided on several of them at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from whence import Aggregate, App, DecisionModel, Rejected, Tag, command, decide, event, evolve
from whence.backends.memory import MemoryStore
from whence.store import ALL, Commit, EventQuery, Outcome, Page

CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[str, Tag("student")]


@event
class CourseDefined:
    course_id: CourseId
    capacity: int


@event
class Subscribed:
    student_id: StudentId
    course_id: CourseId


@event
class Numbered:
    number: int


@event
class Enrolled:
    student_id: StudentId


@command
class Define:
    course_id: str
    capacity: int


@command
class Subscribe:
    student_id: str
    course_id: str


@command
class TakeNumber:
    pass


@command
class Enrol:
    student_id: str


@command
class Graduate:
    student_id: str
    course_ids: list[str]


class Seats(DecisionModel):
    course_id: CourseId
    capacity = 0
    taken = 0

    @evolve
    def _(self, event: CourseDefined) -> None:
        self.capacity = event.capacity

    @evolve
    def _(self, event: Subscribed) -> None:
        self.taken += 1


class Courses(DecisionModel):
    student_id: StudentId
    count = 0

    @evolve
    def _(self, event: Subscribed) -> None:
        self.count += 1


class Numbers(DecisionModel):
    last = 0

    @evolve
    def _(self, event: Numbered) -> None:
        self.last = event.number


class Done(DecisionModel):
    student_id: StudentId
    course_ids: Annotated[list[str], Tag("course")]
    courses: list[str] = []

    @evolve
    def _(self, event: Subscribed) -> None:
        self.courses.append(event.course_id)


class Student(Aggregate):
    enrolled = False
    courses = 0

    @decide
    def enrol(self, command: Enrol) -> Iterator[object]:
        if not self.enrolled:
            yield Enrolled(self.id)

    @evolve
    def _(self, event: Enrolled) -> None:
        self.enrolled = True

    @evolve
    def _(self, event: Subscribed) -> None:
        self.courses += 1


def define(command: Define) -> Iterator[object]:
    yield CourseDefined(command.course_id, command.capacity)


def subscribe(command: Subscribe, seats: Seats, courses: Courses) -> Iterator[object]:
    if seats.taken >= seats.capacity:
        raise Rejected("The course is fully booked")
    if courses.count >= 5:
        raise Rejected("The student has enough courses")
    yield Subscribed(command.student_id, command.course_id)


def take_number(command: TakeNumber, numbers: Numbers) -> Iterator[object]:
    yield Numbered(numbers.last + 1)


def graduate(command: Graduate, done: Done) -> Iterator[object]:
    if len(done.courses) < len(command.course_ids):
        raise Rejected(f"Only {done.courses}")
    return iter(())


def school(store: Any) -> App:
    app = App("school", store=store, read="sqlite://")
    for function in (define, subscribe, take_number, graduate):
        app.decides(function)
    return app


OpenApp = Callable[[], AbstractAsyncContextManager[App]]


async def stored(app: App) -> list[Any]:
    pages = app.running.store.read(ALL)
    return [app.wiring.events.decode(each) async for page in pages for each in page.events]


class Conflicting(MemoryStore):
    """Counts the conflicts, and lets others have a go between a read and an append."""

    conflicts = 0

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        await asyncio.sleep(0)
        outcomes = await super().append(commits)
        self.conflicts += sum(type(outcome).__name__ == "Conflict" for outcome in outcomes)
        return outcomes

    async def read(self, query: EventQuery, **how: Any) -> AsyncIterator[Page]:
        async for page in super().read(query, **how):
            yield page
        await asyncio.sleep(0)
