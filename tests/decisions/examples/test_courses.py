"""Course subscriptions, and a course as an aggregate that is selected by its tag."""

from collections.abc import Iterator
from typing import Annotated

import pytest

from whence import App, DecisionModel, Rejected, Tag, command, event, evolve
from whence.store import matching
from whence.testing import given

app = App("courses", store="memory://")

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


# An aggregate, selected by its tag.


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
