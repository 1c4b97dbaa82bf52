"""Decisions over several things: what is selected, decided and stored."""

from collections.abc import Iterator

import pytest

from whence import (
    Aggregate,
    App,
    DecisionModel,
    Invalid,
    Receipt,
    Rejected,
    command,
    event,
    evolve,
)
from whence.errors import ChangedState, UnknownType
from whence.store import ALL
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event

from .school import Define, Graduate, OpenApp, Seats, Subscribe, Subscribed, TakeNumber, stored


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


async def test_what_a_model_folds_is_known_though_nobody_has_sent_it(app: App) -> None:
    @event
    class Rung: ...

    @command
    class Answer: ...

    class Bell(DecisionModel):
        rings = 0

        @evolve
        def _(self, event: Rung) -> None:
            self.rings += 1

    @app.decides
    def answer(command: Answer, bell: Bell) -> Iterator[object]:
        raise Rejected(f"It rang {bell.rings} times")

    async with app:
        await app.running.store.append([commit(new_event("Rung"), new_event("Rung"))])
        with pytest.raises(Rejected, match="It rang 2 times"):
            await app.send(Answer())


async def test_what_an_aggregate_folds_is_known_too(app: App) -> None:
    @event
    class Struck: ...

    @command
    class Ask:
        tower_id: str

    class Tower(Aggregate):
        strokes = 0

        @evolve
        def _(self, event: Struck) -> None:
            self.strokes += 1

    @app.decides
    def ask(command: Ask, tower: Tower) -> Iterator[object]:
        raise Rejected(f"It struck {tower.strokes} times")

    async with app:
        await app.running.store.append([commit(new_event("Struck", "tower-T1"))])
        with pytest.raises(Rejected, match="It struck 1 times"):
            await app.send(Ask("T1"))


async def test_an_event_that_nobody_knows_is_named(app: App) -> None:
    async with app:
        await app.running.store.append([commit(new_event("Numbered", data=b'{"number":7}'))])
        await app.send(TakeNumber())
        app.wiring.events._by_word.clear()  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(UnknownType, match="'Numbered', which is stored at position 1"):
            await app.send(TakeNumber())
