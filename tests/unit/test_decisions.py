"""Decisions over several things at once: one read, one append, one condition."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

from whence import (
    Aggregate,
    App,
    DecisionModel,
    Invalid,
    Receipt,
    Rejected,
    Stale,
    Tag,
    command,
    decide,
    event,
    evolve,
)
from whence.backends.memory import MemoryStore
from whence.decisions import Decision
from whence.errors import ChangedState, UnknownType, WiringError
from whence.messages import describe
from whence.store import ALL, Commit, EventQuery, Outcome, Page
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event

CourseId = Annotated[str, Tag("course")]
StudentId = Annotated[str, Tag("student")]
HERE = rf"{__file__}:\d+"


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


@pytest.fixture(params=["memory", "sqlite"])
def open_app(request: pytest.FixtureRequest, tmp_path: Path) -> OpenApp:
    """Opens one more application on the same data."""
    store = MemoryStore() if request.param == "memory" else f"sqlite:///{tmp_path / 'school.db'}"
    return lambda: school(store)


@pytest.fixture
async def two(open_app: OpenApp) -> AsyncIterator[tuple[App, App]]:
    async with open_app() as one, open_app() as other:
        yield one, other


@pytest.fixture
def app() -> App:
    return school("memory://")


async def stored(app: App) -> list[Any]:
    pages = app.running.store.read(ALL)
    return [app.wiring.events.decode(each) async for page in pages for each in page.events]


# Deciding.


async def test_what_is_yielded_is_stored_with_its_tags_and_belongs_to_no_stream(app: App) -> None:
    async with app:
        receipt = await app.send(Define("c1", 3), id="d1")
        assert receipt == Receipt(1, {}, ("d1.0",))
        (page,) = [page async for page in app.running.store.read(ALL)]
    assert [(e.type, e.stream, e.version, e.tags) for e in page.events] == [
        ("CourseDefined", "", 0, ("course:c1",))
    ]


async def test_what_another_process_has_stored_is_known(open_app: OpenApp) -> None:
    async with open_app() as one:
        await one.send(Define("c1", 1))
        await one.send(Subscribe("s1", "c1"))
    fresh = open_app()
    async with fresh as other:
        with pytest.raises(Rejected, match="fully booked"):
            await other.send(Subscribe("s2", "c1"))


async def test_a_list_selects_what_belongs_to_each_element(app: App) -> None:
    async with app:
        for course in ("c1", "c2", "c3"):
            await app.send(Define(course, 3))
            await app.send(Subscribe("s1", course))
        await app.send(Subscribe("s2", "c1"))
        assert (await app.send(Graduate("s1", ["c1", "c2"]))).events == ()
        with pytest.raises(Rejected, match=r"Only \['c1'\]"):
            await app.send(Graduate("s2", ["c1", "c2"]))


@pytest.mark.parametrize("hostile", ["c\0", "\ud800", "x" * 600])
async def test_what_no_tag_can_be_made_of_is_invalid(open_app: OpenApp, hostile: str) -> None:
    async with open_app() as app:
        for command in (Subscribe("s1", hostile), Subscribe(hostile, "c1")):
            with pytest.raises(Invalid, match="a stream, type, tag or commit id"):
                await app.send(command)
        assert await stored(app) == []


async def test_an_empty_list_selects_nothing(app: App) -> None:
    async with app:
        await app.send(Define("c1", 3))
        await app.send(Subscribe("s1", "c1"))
        assert await app.send(Graduate("s1", [])) == Receipt(0, {})


async def test_nothing_decided_is_answered_with_how_far_was_looked(app: App) -> None:
    async with app:
        await app.send(Define("c1", 3))
        await app.send(Subscribe("s1", "c1"))
        await app.send(Define("c2", 3))
        assert await app.send(Graduate("s1", ["c1"])) == Receipt(3, {})


async def test_a_step_sees_what_was_yielded_before(app: App) -> None:
    @command
    class Fill:
        course_id: str

    @app.decides
    def fill(command: Fill, seats: Seats) -> Iterator[object]:
        while seats.taken < seats.capacity:
            yield Subscribed(f"s{seats.taken + 1}", command.course_id)
        yield Subscribed("elsewhere", "c9")
        assert seats.taken == seats.capacity

    async with app:
        await app.send(Define("c1", 3))
        assert len((await app.send(Fill("c1"))).events) == 4


async def test_a_decision_cannot_change_what_it_looks_at(app: App) -> None:
    @command
    class Cheat:
        course_id: str

    @app.decides
    def cheat(command: Cheat, seats: Seats) -> Iterator[object]:
        seats.capacity += 1
        yield Subscribed("s1", command.course_id)

    async with app:
        with pytest.raises(ChangedState, match=r"a decision assigns Seats\.capacity"):
            await app.send(Cheat("c1"))


async def test_models_are_folded_afresh_for_every_command(app: App) -> None:
    async with app:
        await app.send(Define("c1", 9))
        for n in range(3):
            await app.send(Subscribe(f"s{n}", "c1"))
        with pytest.raises(Rejected, match=r"Only \[\]"):
            await app.send(Graduate("s9", ["c1"]))


async def test_an_event_that_nobody_knows_is_named(app: App) -> None:
    async with app:
        await app.running.store.append([commit(new_event("Numbered", data=b'{"number":7}'))])
        await app.send(TakeNumber())
        app.wiring.events._by_word.clear()  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(UnknownType, match="'Numbered', which is stored at position 1"):
            await app.send(TakeNumber())


# With aggregates.


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


async def test_an_aggregate_without_an_id_is_invalid(college: App) -> None:
    async with college as app:
        with pytest.raises(Invalid, match="student_id: is empty"):
            await app.send(Subscribe("", "c1"))


async def test_events_of_the_stream_that_it_does_not_fold_count(college: App) -> None:
    async with college as app:
        await app.send(Define("c1", 9))
        await app.send(Enrol("s1"))
        await app.running.store.append(
            [commit(new_event("Numbered", "student-s1", data=b'{"number":1}'))]
        )
        assert (await app.send(Subscribe("s1", "c1"))).versions == {"student-s1": 3}


# At once.


async def test_two_race_for_the_last_seat_and_one_wins(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Define("c1", 1))
    results = await asyncio.gather(
        *((one, other)[n % 2].send(Subscribe(f"s{n}", "c1")) for n in range(10)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Receipt"] + [
        "Rejected"
    ] * 9 or (sum(isinstance(result, Receipt) for result in results) == 1)
    assert sum(isinstance(each, Subscribed) for each in await stored(one)) == 1


async def test_one_student_races_into_two_courses_and_gets_one(two: tuple[App, App]) -> None:
    one, other = two
    for n in range(6):
        await one.send(Define(f"c{n}", 9))
    for n in range(4):
        await one.send(Subscribe("s1", f"c{n}"))
    results = await asyncio.gather(
        one.send(Subscribe("s1", "c4")), other.send(Subscribe("s1", "c5")), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Receipt", "Rejected"]


async def test_what_has_nothing_in_common_never_conflicts() -> None:
    store = Conflicting()
    async with school(store) as one, school(store) as other:
        for n in range(20):
            await one.send(Define(f"c{n}", 9))
        await asyncio.gather(
            *((one, other)[n % 2].send(Subscribe(f"s{n}", f"c{n}")) for n in range(20))
        )
    assert store.conflicts == 0


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


async def test_a_capacity_that_is_lowered_meanwhile_is_seen() -> None:
    class Lowering(MemoryStore):
        """Lowers the capacity between the read and the append of the first subscription."""

        done = False

        async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
            if not self.done and commits[0].events[0].type == "Subscribed":
                self.done = True
                data = b'{"course_id":"c1","capacity":0}'
                lowered = new_event("CourseDefined", "", "course:c1", data=data)
                await super().append([commit(lowered)])
            return await super().append(commits)

    async with school(Lowering()) as app:
        await app.send(Define("c1", 1))
        with pytest.raises(Rejected, match="fully booked"):
            await app.send(Subscribe("s1", "c1"))


async def test_a_hundred_at_once_are_numbered_without_a_gap(two: tuple[App, App]) -> None:
    receipts = await asyncio.gather(*(two[n % 2].send(TakeNumber()) for n in range(100)))
    assert len({receipt.position for receipt in receipts}) == 100
    assert [each.number for each in await stored(two[0])] == list(range(1, 101))


async def test_those_that_look_at_the_same_take_turns_and_do_not_conflict() -> None:
    store = Conflicting()
    async with school(store) as app:
        await app.send(Define("c1", 99))
        await asyncio.gather(*(app.send(TakeNumber()) for _ in range(50)))
        await asyncio.gather(*(app.send(Subscribe(f"s{n}", "c1")) for n in range(50)))
    assert store.conflicts == 0


async def test_aggregates_and_decisions_at_one_stream_lose_nothing(tmp_path: Path) -> None:
    def opened() -> App:
        app = App("college", Student, store=f"sqlite:///{tmp_path / 'c.db'}", read="sqlite://")
        for function in (define, take_number, graduate):
            app.decides(function)

        @app.decides
        def note(command: Subscribe, student: Student) -> Iterator[object]:  # pyright: ignore
            yield Subscribed(command.student_id, f"{command.course_id}-{student.courses}")

        return app

    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(opened()) for _ in range(2)]
        await asyncio.gather(
            *(apps[n % 2].send(Enrol("s1")) for n in range(4)),
            *(apps[n % 2].send(Subscribe("s1", "c")) for n in range(60)),
        )
        student = await apps[0].history(Student, "s1").now()
        assert (student.courses, student.version) == (60, 61)
        courses = [each.course_id for each in await stored(apps[0]) if hasattr(each, "course_id")]
        assert sorted(courses) == sorted(f"c-{n}" for n in range(60))


async def test_a_cancelled_decision_gives_its_turns_back(app: App) -> None:
    async with app:
        await app.send(Define("c1", 99))
        sends = [asyncio.create_task(app.send(Subscribe("s1", "c1"))) for _ in range(3)]
        await asyncio.sleep(0)
        for send in sends:
            send.cancel()
        await asyncio.gather(*sends, return_exceptions=True)
        assert (await asyncio.wait_for(app.send(Subscribe("s2", "c1")), 1)).events


# Wrong ones are refused at start.


def refused(function: Callable[..., Any]) -> str:
    with pytest.raises(WiringError) as caught:
        Decision.of(function)
    return str(caught.value)


def unannotated(command: Subscribe, seats) -> Any: ...  # type: ignore  # pyright: ignore


async def waiting(command: Subscribe, seats: Seats) -> Any: ...


async def yielding(command: Subscribe, seats: Seats) -> Any:
    yield 1


def lost(command: Subscribe, seats: "Missing") -> Any: ...  # type: ignore  # noqa: F821


def other(command: Subscribe, seats: int) -> Any: ...


def no_command(seats: Seats) -> Any: ...


def chosen_by_nothing(command: TakeNumber, seats: Seats) -> Any: ...


def twice(command: Subscribe, one: Student, two: Student) -> Any: ...


def dated(command: Subscribe, seats: Seats) -> Any:
    yield Numbered(datetime.now().year)


WRONG: list[tuple[Any, str]] = [
    (unannotated, "is a plain function with an annotation on each parameter, as in `def sub"),
    (waiting, "is a plain function with an annotation on each parameter"),
    (yielding, "is a plain function with an annotation on each parameter"),
    (lambda: (), "is a plain function with an annotation on each parameter"),
    (lost, "is annotated with 'Missing', unknown there"),
    (other, "int (builtins) is no DecisionModel and no Aggregate"),
    (no_command, "is not a message: decorate it with @command"),
    (twice, "takes Student twice, and both would be the same one: write a DecisionModel for"),
    (dated, "is not repeatable: it reads the clock (datetime.now). It may be made again"),
]


@pytest.mark.parametrize(("function", "problem"), WRONG)
def test_a_wrong_decision_is_refused_with_its_place(
    function: Callable[..., Any], problem: str
) -> None:
    message = refused(function)
    assert message.startswith(f"the decision at {__file__}:{function.__code__.co_firstlineno}")
    assert problem in message


def test_a_command_must_say_what_is_meant() -> None:
    message = refused(chosen_by_nothing)
    assert message.startswith(
        f"TakeNumber ({describe(TakeNumber).where}) has no field 'course_id'"
    )
    assert f"by which Seats ({__file__}:" in message
    assert f"is selected in the decision at {__file__}:" in message


def test_a_model_that_folds_nothing_is_refused() -> None:
    with pytest.raises(WiringError, match=rf"Empty \({HERE}\) folds no event: give it an @evolve"):

        class Empty(DecisionModel):  # pyright: ignore[reportUnusedClass]
            course_id: CourseId


def test_a_model_that_would_never_see_its_event_is_refused() -> None:
    with pytest.raises(
        WiringError,
        match=rf"Blind \({HERE}\) is selected by its field 'course_id', Tag\(name='course'.*\),"
        rf" which Numbered \({HERE}\) does not carry: the @evolve at {HERE} would never see one",
    ):

        class Blind(DecisionModel):  # pyright: ignore[reportUnusedClass]
            course_id: CourseId

            @evolve
            def _(self, event: Numbered) -> None: ...

    with pytest.raises(WiringError, match="is selected by its field 'course_id'"):

        class Otherwise(DecisionModel):  # pyright: ignore[reportUnusedClass]
            course_id: Annotated[str, Tag("course", str.lower)]

            @evolve
            def _(self, event: Subscribed) -> None: ...


def test_a_model_annotated_with_nothing_known_is_refused() -> None:
    with pytest.raises(WiringError, match=rf"Odd \({HERE}\): an annotation names 'Missing', unk"):

        class Odd(DecisionModel):  # pyright: ignore[reportUnusedClass]
            course_id: "Missing"  # type: ignore  # noqa: F821  # pyright: ignore

            @evolve
            def _(self, event: Subscribed) -> None: ...


async def test_two_decisions_of_one_command_are_refused(app: App) -> None:
    app.decides(lambda_free)
    with pytest.raises(
        WiringError, match=rf"^Subscribe \({HERE}\) has two handlers, at {HERE} and at {HERE}"
    ):
        await app.__aenter__()


def lambda_free(command: Subscribe) -> Iterator[object]:
    return iter(())


async def test_a_command_that_names_a_model_and_that_nobody_decides_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @command
    class Forgotten:
        course_id: str

    app = school("memory://")
    Forgotten.__module__ = "forgotten"
    monkeypatch.setitem(sys.modules, "forgotten", SimpleNamespace(Forgotten=Forgotten))
    monkeypatch.setattr(Seats, "__module__", "forgotten")
    with pytest.raises(
        WiringError,
        match=rf"^nobody decides .*Forgotten \({HERE}\): write a function"
        r" `@app.decides def \.\.\.\(command: Forgotten, it: \w+\)`",
    ):
        await app.__aenter__()
