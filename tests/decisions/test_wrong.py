"""Wrong decisions and models are refused at start, with their place."""

import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

from whence import App, DecisionModel, Tag, command, evolve
from whence.decisions import Decision
from whence.errors import WiringError
from whence.messages import describe

from . import school
from .school import CourseId, Numbered, Seats, Student, Subscribe, Subscribed, TakeNumber

HERE, SCHOOL = rf"{__file__}:\d+", rf"{school.__file__}:\d+"


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


def of_nobody(command: TakeNumber, student: Student) -> Any: ...


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
    assert f"by which Seats ({school.__file__}:" in message
    assert f"is selected in the decision at {__file__}:" in message


def test_a_command_must_say_which_aggregate_is_meant() -> None:
    message = refused(of_nobody)
    assert "has no field 'student_id', by which Student" in message


def test_a_model_that_folds_nothing_is_refused() -> None:
    with pytest.raises(WiringError, match=rf"Empty \({HERE}\) folds no event: give it an @evolve"):

        class Empty(DecisionModel):  # pyright: ignore[reportUnusedClass]
            course_id: CourseId


def test_a_model_that_would_never_see_its_event_is_refused() -> None:
    with pytest.raises(
        WiringError,
        match=rf"Blind \({HERE}\) is selected by its field 'course_id', Tag\(name='course'.*\),"
        rf" which Numbered \({SCHOOL}\) does not carry: the @evolve at {HERE} would never see one",
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
        WiringError, match=rf"^Subscribe \({SCHOOL}\) has two handlers, at {SCHOOL} and at {HERE}"
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

    app = school.school("memory://")
    Forgotten.__module__ = "forgotten"
    monkeypatch.setitem(sys.modules, "forgotten", SimpleNamespace(Forgotten=Forgotten))
    monkeypatch.setattr(Seats, "__module__", "forgotten")
    with pytest.raises(
        WiringError,
        match=rf"^nobody decides .*Forgotten \({HERE}\): write a function"
        r" `@app.decides def \.\.\.\(command: Forgotten, it: \w+\)`",
    ):
        await app.__aenter__()
