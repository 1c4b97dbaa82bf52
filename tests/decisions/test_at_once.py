"""Decisions at once: nobody loses, and only those conflict who look at the same."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from whence import App, Receipt, Rejected
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event

from ..stores import Racing
from .school import (
    Conflicting,
    Define,
    Enrol,
    Student,
    Subscribe,
    Subscribed,
    TakeNumber,
    define,
    graduate,
    school,
    stored,
    take_number,
)


async def test_two_race_for_the_last_seat_and_one_wins(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Define("c1", 1))
    results = await asyncio.gather(
        *((one, other)[n % 2].send(Subscribe(f"s{n}", "c1")) for n in range(10)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Receipt) for result in results) == 1
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


async def test_a_capacity_that_is_lowered_meanwhile_is_seen() -> None:
    store = Racing()
    lowered = new_event("CourseDefined", "", "course:c1", data=b'{"course_id":"c1","capacity":0}')
    async with school(store) as app:
        await app.send(Define("c1", 1))
        store.ahead = commit(lowered)
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
