"""Decisions that look at aggregates: their streams, and the versions in them."""

from collections.abc import Iterator

import pytest

from whence import Aggregate, App, Invalid, Rejected, Stale, command, evolve
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event

from .school import (
    Define,
    Enrol,
    Seats,
    Student,
    Subscribe,
    Subscribed,
    TakeNumber,
    define,
    graduate,
    stored,
    take_number,
)


def join(command: Subscribe, student: Student, seats: Seats) -> Iterator[object]:
    if not student.enrolled:
        raise Rejected("Nobody knows the student")
    if student.courses >= 2 or seats.taken >= seats.capacity:
        raise Rejected("That is too much")
    yield Subscribed(command.student_id, command.course_id)


@pytest.fixture
def college() -> App:
    app = App("college", Student, store="memory://")
    app.decides(join)
    app.decides(define)
    app.decides(take_number)
    app.decides(graduate)
    return app


async def test_the_events_of_an_aggregate_go_to_its_stream(college: App) -> None:
    async with college as app:
        await app.send(Define("c1", 9))
        with pytest.raises(Rejected, match="Nobody knows"):
            await app.send(Subscribe("s1", "c1"))
        await app.send(Enrol("s1"))
        receipt = await app.send(Subscribe("s1", "c1"))
        assert receipt.versions == {"student-s1": 2}
        student = await app.history(Student, "s1").now()
        assert (student.courses, student.version) == (1, 2)
        assert (await app.send(Enrol("s1"))).versions == {"student-s1": 2}
        await app.send(Subscribe("s1", "c1"))
        with pytest.raises(Rejected, match="too much"):
            await app.send(Subscribe("s1", "c1"))


async def test_the_version_that_the_sender_saw_counts(college: App) -> None:
    async with college as app:
        await app.send(Define("c1", 9))
        await app.send(Enrol("s1"))
        assert (await app.send(Subscribe("s1", "c1"), version=1)).versions == {"student-s1": 2}
        with pytest.raises(Stale) as caught:
            await app.send(Subscribe("s1", "c1"), version=1)
        assert [each.type for each in caught.value.events] == ["Subscribed"]
        with pytest.raises(Invalid, match="version: it is decided on no aggregate: of which"):
            await app.send(TakeNumber(), version=1)


async def test_a_version_of_one_of_several_aggregates_is_refused() -> None:
    class Course(Aggregate):
        @evolve
        def _(self, event: Subscribed) -> None: ...

    app = App("college", Student, Course, store="memory://")
    app.decides(define)
    app.decides(graduate)

    @app.decides
    def swap(command: Subscribe, student: Student, course: Course) -> Iterator[object]:
        yield Subscribed(command.student_id, command.course_id)

    async with app:
        with pytest.raises(Invalid, match="it is decided on several aggregates: of which"):
            await app.send(Subscribe("s1", "c1"), version=0)
        assert (await app.send(Subscribe("s1", "c1"))).versions == {"student-s1": 1}


async def test_a_decision_sees_how_many_events_an_aggregate_has_had(college: App) -> None:
    @command
    class Number:
        student_id: str

    @college.decides
    def number(command: Number, student: Student) -> Iterator[object]:
        yield Subscribed(command.student_id, f"at {student.version}")
        yield Subscribed(command.student_id, f"at {student.version}")

    async with college as app:
        await app.send(Enrol("s1"))
        await app.send(Number("s1"))
        _, *subscribed = await stored(app)
        assert [each.course_id for each in subscribed] == ["at 1", "at 2"]


async def test_an_aggregate_without_an_id_is_invalid(college: App) -> None:
    async with college as app:
        with pytest.raises(Invalid, match="student_id: is empty"):
            await app.send(Subscribe("", "c1"))


async def test_events_of_the_stream_that_it_does_not_fold_count_and_are_not_read(
    college: App,
) -> None:
    async with college as app:
        await app.send(Define("c1", 9))
        await app.send(Enrol("s1"))
        await app.running.store.append(
            [commit(new_event("Numbered", "student-s1", data=b"unreadable"))]
        )
        assert (await app.send(Subscribe("s1", "c1"))).versions == {"student-s1": 3}
