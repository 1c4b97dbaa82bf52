"""Deciders: the same logic as free functions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from whence import App, Decider, Rejected, command, event
from whence.decider import DeciderBehaviour
from whence.errors import WiringError
from whence.handlers import written_at


@event
class Switched:
    lamp_id: str
    on: bool


@event
class Burnt:
    lamp_id: str


@command
class Switch:
    lamp_id: str
    on: bool


@dataclass(frozen=True)
class Lamp:
    on: bool = False
    switched: int = 0


def decide(command: Switch, lamp: Lamp) -> Iterator[Any]:
    if command.on == lamp.on:
        raise Rejected("It is so already")
    yield Switched(command.lamp_id, command.on)
    if lamp.switched == 2:
        yield Burnt(command.lamp_id)


def evolve(lamp: Lamp, event: Switched) -> Lamp:
    return replace(lamp, on=event.on, switched=lamp.switched + 1)


lamp = Decider("lamp", Lamp(), decide, evolve)


def test_events_are_folded_into_a_state() -> None:
    assert lamp.fold([Switched("L1", True), Switched("L1", False)]) == Lamp(False, 2)
    assert lamp.fold([]) == Lamp()


def test_what_it_knows_is_read_from_its_annotations() -> None:
    behaviour = DeciderBehaviour(lamp)
    assert set(behaviour.deciders) == {Switch}
    assert set(behaviour.evolvers) == {Switched}
    assert (behaviour.name, behaviour.id_field) == ("lamp", "lamp_id")
    assert behaviour.where == written_at(decide)


def test_events_that_it_does_not_fold_may_happen() -> None:
    happened: list[object] = []
    after = DeciderBehaviour(lamp).decide(Lamp(False, 2), Switch("L1", True), happened)
    assert happened == [Switched("L1", True), Burnt("L1")]
    assert after == Lamp(True, 3)


def test_the_id_field_can_be_named() -> None:
    assert DeciderBehaviour(replace(lamp, id="number")).id_field == "number"


def test_a_state_that_can_change_in_place_is_not_shared() -> None:
    def count(counts: dict[str, int], event: Switched) -> dict[str, int]:
        counts[event.lamp_id] = counts.get(event.lamp_id, 0) + 1
        return counts

    def nothing(command: Switch, counts: dict[str, int]) -> list[Switched]:
        return []

    counter = Decider("counter", dict[str, int](), nothing, count)
    assert counter.fold([Switched("L1", True)]) == {"L1": 1}
    assert counter.fold([]) == {}
    assert DeciderBehaviour(counter).initial("x") is not counter.initial


async def test_an_application_takes_one_with_any_state() -> None:
    def count(counts: dict[str, int], event: Switched) -> dict[str, int]:
        return counts | {event.lamp_id: counts.get(event.lamp_id, 0) + 1}

    def switch(command: Switch, counts: dict[str, int]) -> list[Switched]:
        return [Switched(command.lamp_id, command.on)] * (1 + len(counts))

    lamps = Decider("lamp", dict[str, int](), switch, count)
    async with App("lamps", lamps, store="memory://") as app:
        await app.send(Switch("L1", True))
        assert (await app.send(Switch("L1", True))).versions == {"lamp-L1": 3}
        assert await app.history(lamps, "L1").now() == {"L1": 3}


def broken(**changes: Any) -> Decider[Any, Any, Any]:
    return replace(lamp, **changes)


def silent(command, lamp):  # type: ignore
    yield Switched("L1", True)


def late(lamp: Lamp, event: "Missing") -> Lamp:  # type: ignore  # noqa: F821
    return lamp


async def waits(command: Switch, lamp: Lamp) -> list[Switched]:
    return []


def chatty(lamp: Lamp, event: Switched) -> Lamp:
    print(event)
    return lamp


def alone(event: Switched) -> Lamp:
    return Lamp()


def swapped(event: Switched, lamp: Lamp) -> Lamp:
    return Lamp()


WRONG: list[tuple[str, Any, str]] = [
    (
        "decide",
        silent,
        "does not say which command it is for: annotate it, as in `def decide(",
    ),
    ("evolve", late, "is annotated with 'Missing', unknown there"),
    ("decide", waits, "is async: write a plain `def`"),
    ("evolve", chatty, "is not repeatable: it does more than compute (print)"),
    ("evolve", alone, "takes the state and the event, nothing else, as in `def evolve(state"),
    ("evolve", swapped, "is not a message: decorate it with @event"),
    ("decide", evolve, "is not a message: decorate it with @command"),
]


@pytest.mark.parametrize(("role", "function", "problem"), WRONG)
def test_a_wrong_one_is_refused_with_its_place(role: str, function: Any, problem: str) -> None:
    with pytest.raises(WiringError, match=re.escape(problem)) as caught:
        DeciderBehaviour(broken(**{role: function}))
    assert str(caught.value).startswith(f"the {role} function at {written_at(function)}")


def test_a_category_has_no_dash() -> None:
    with pytest.raises(WiringError, match=f"^{written_at(decide)}: .+'desk-lamp' cannot be one"):
        DeciderBehaviour(broken(name="desk-lamp"))
