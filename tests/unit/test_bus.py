"""The message router: one handler for each command."""

from collections.abc import Iterator
from typing import Annotated

import pytest

from whence import Aggregate, App, Decider, Tag, command, decide, event
from whence.errors import Invalid, WhenceError, WiringError
from whence.messages import describe
from whence.sending import Receipt

from . import bells
from .bells import Bell, Polish, Ring, Rung


@command
class Unrelated:
    name: str


@pytest.fixture
def app() -> App:
    return bells.bells()


async def test_the_answer_is_a_receipt(app: App) -> None:
    async with app:
        first = await app.send(Ring("B1"))
        receipt = await app.send(Ring("B1", 2), id="r2")
    assert first.position == 1
    assert receipt == Receipt(3, {"bell-B1": 3}, ("r2.0", "r2.1"), duplicate=False)


async def test_doing_nothing_is_answered_with_what_was_seen(app: App) -> None:
    async with app:
        assert await app.send(Ring("B1", 0)) == Receipt(0, {"bell-B1": 0})
        await app.send(Ring("B2"))
        await app.send(Ring("B1"))
        assert await app.send(Ring("B1", 0)) == Receipt(2, {"bell-B1": 1})


async def test_a_command_that_nobody_handles_names_its_place_and_the_fix(app: App) -> None:
    async with app:
        with pytest.raises(WiringError) as caught:
            await app.send(Unrelated("x"))
    assert str(caught.value) == (
        f"Unrelated ({describe(Unrelated).where}) has no handler: give an aggregate a @decide for"
        " it and pass the aggregate to App, or decide it in a function with @app.decides"
    )


async def test_what_is_no_command_is_refused(app: App) -> None:
    async with app:
        with pytest.raises(WiringError, match=r"event Rung \(.+\) is used as a command"):
            await app.send(Rung("B1"))
        with pytest.raises(WiringError, match=r"str \(builtins\) is not a message"):
            await app.send("ring")


async def test_a_closed_application_says_how_to_open_it(app: App) -> None:
    for verb in (app.send, app.ask):
        with pytest.raises(
            WhenceError, match="bells is not open: use `async with app:`, or `with"
        ):
            await verb(Ring("B1"))
    with pytest.raises(WhenceError, match="bells is not open"):
        app.history(Bell, "B1")


def ring(command: Ring, rung: int) -> list[Rung]:
    return [Rung(command.bell_id)]


def count(rung: int, event: Rung) -> int:
    return rung + 1


async def test_two_handlers_of_one_command_are_refused_with_both_places() -> None:
    class Gong(Aggregate, id="bell_id"):
        @decide
        def ring(self, command: Ring) -> Iterator[object]:
            return iter(())

    chime = Decider("chime", 0, ring, count, id="bell_id")
    for other in (Gong, chime):
        both = App("both", Bell, other, store="memory://")
        with pytest.raises(
            WiringError,
            match=rf"^Ring \({describe(Ring).where}\) has two handlers,"
            rf" at {bells.__file__}:\d+ and at {__file__}:\d+: a command has exactly one. Remove",
        ):
            await both.__aenter__()


async def test_a_decision_and_an_aggregate_are_two_handlers_too(app: App) -> None:
    @app.decides
    def ring_it(command: Ring, bell: Bell) -> Iterator[object]:
        return iter(())

    with pytest.raises(WiringError, match=r"Ring \(.+\) has two handlers"):
        await app.__aenter__()


async def test_a_command_that_nobody_decides_is_refused_at_start() -> None:
    class Clock(Aggregate, category="clock", id="bell_id"):
        @decide
        def ring(self, command: Ring) -> Iterator[object]:
            return iter(())

    with pytest.raises(
        WiringError,
        match=rf"^nobody decides Polish \({describe(Polish).where}\): give"
        rf" .*Clock \({__file__}:\d+\) a method `@decide def \.\.\.\(self, command: Polish\)`",
    ):
        await App("clocks", Clock, store="memory://").__aenter__()


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("", "is empty"),
        (None, "is empty"),
        ("\0", "may not hold a NUL"),
        ("x" * 501, "at most 500"),
    ],
)
async def test_an_id_that_no_stream_can_have_is_invalid(
    app: App, number: str | None, problem: str
) -> None:
    @command
    class Touch:
        bell_id: str | None

    @app.decides
    def touch(command: Touch, bell: Bell) -> Iterator[object]:
        yield Rung(bell.id)

    for made in (Ring(number), Touch(number)):  # type: ignore[arg-type]  # pyright: ignore
        async with app.using(store="memory://") as opened:
            with pytest.raises(Invalid) as caught:
                await opened.send(made)
            if not (number is None and isinstance(made, Ring)):
                assert problem in caught.value.fields["bell_id"]


async def test_a_tag_that_no_store_can_keep_is_invalid() -> None:
    @event
    class Labelled:
        jar_id: str
        label: Annotated[str, Tag("label")]

    @command
    class Label:
        jar_id: str
        label: str

    class Jar(Aggregate):
        @decide
        def label(self, command: Label) -> Iterator[object]:
            yield Labelled(self.id, command.label)

    async with App("jars", Jar, store="memory://") as app:
        with pytest.raises(Invalid, match=r"message: .+ may not hold a NUL"):
            await app.send(Label("J1", "plum\0"))
        assert (await app.send(Label("J1", "plum"))).versions == {"jar-J1": 1}


async def test_ids_are_texts_in_the_end() -> None:
    @event
    class Counted:
        meter_id: int

    @command
    class Count:
        meter_id: int

    class Meter(Aggregate):
        @decide
        def count(self, command: Count) -> Iterator[object]:
            yield Counted(command.meter_id)

    async with App("meters", Meter, store="memory://") as app:
        assert (await app.send(Count(0))).versions == {"meter-0": 1}
        assert (await app.history(Meter, 0).now()).version == 1


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"id": ""}, "id: a commit needs an id"),
        ({"id": "a\0"}, "id: a stream, type, tag or commit id may not hold a NUL"),
        ({"id": 7}, "id: Expected `str`, got `int`"),
        ({"id": "x" * 501}, "id: a stream, type, tag or commit id has at most 500 characters"),
        ({"by": 7}, "by: Expected `str`, got `int`"),
        ({"by": "\ud800"}, "by: .+surrogates not allowed"),
        ({"version": "3"}, "version: Expected `int`, got `str`"),
    ],
)
async def test_what_is_said_beside_a_command_must_fit(
    app: App, about: dict[str, object], problem: str
) -> None:
    async with app:
        with pytest.raises(Invalid, match=problem):
            await app.send(Ring("B1"), **about)  # type: ignore[arg-type]  # pyright: ignore
        await app.send(Ring("B1"), by=None, id=None)  # type: ignore[arg-type]  # pyright: ignore


async def test_what_cannot_be_said_beside_a_command_is_not_passed_over(app: App) -> None:
    async with app:
        with pytest.raises(TypeError, match="nothing called 'expected' can be said beside a comm"):
            await app.send(Ring("B1"), expected=3)  # type: ignore[call-arg]  # pyright: ignore


async def test_who_and_why_are_stored_beside_the_events(app: App) -> None:
    async with app:
        await app.send(Ring("B1"), by="ann", correlation="c", causation="d")
        await app.send(Ring("B1"))
        first, second = [past async for past in app.history(Bell, "B1").events()]
    assert first.about == {"command": "Ring", "by": "ann", "correlation": "c", "causation": "d"}
    assert second.about == {"command": "Ring"}


@pytest.mark.parametrize("name", ["", "x" * 600, "a\0b", "\N{GRINNING FACE}"])
async def test_whoever_sends_may_be_called_anything(app: App, name: str) -> None:
    async with app:
        await app.send(Ring("B1"), by=name)
        (past,) = [past async for past in app.history(Bell, "B1").events()]
    assert past.about["by"] == name


async def test_an_event_that_would_not_come_back_is_not_stored() -> None:
    @event
    class Weighed:
        scale_id: str
        grams: int

    @command
    class Weigh:
        scale_id: str
        grams: int

    class Scale(Aggregate):
        @decide
        def weigh(self, command: Weigh) -> Iterator[object]:
            yield Weighed(self.id, command.grams / 2)  # type: ignore[arg-type]  # pyright: ignore

    async with App("scales", Scale, store="memory://") as app:
        with pytest.raises(
            WhenceError, match=r"grams=1.5\) cannot be stored: .+Nothing was stored"
        ):
            await app.send(Weigh("S1", 3))
        assert (await app.history(Scale, "S1").now()).version == 0
