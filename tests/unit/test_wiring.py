"""What is wrong with an application is said when it is put together, with places and fixes."""
# pyright: reportUnusedClass=false, reportUnusedFunction=false

from collections.abc import Iterator
from typing import Any

import pytest

from whence import Aggregate, App, Decider, ReadModel, command, decide, event, evolve
from whence.backends import backend
from whence.errors import WiringError
from whence.messages import describe
from whence.readmodels import ReadModelType
from whence.wiring import Wiring

HERE = rf"{__file__}:\d+"


@event
class Opened:
    door_id: str


@command
class Open:
    door_id: str


@command
class Knock:
    name: str


class Door(Aggregate):
    @decide
    def open(self, command: Open) -> Iterator[object]:
        yield Opened(self.id)

    @evolve
    def _(self, event: Opened) -> None: ...


class Doors(ReadModel):
    door_id: str
    opened: int = 0

    @evolve
    def _(self, event: Opened) -> None:
        self.opened += 1


def refused(*parts: Any) -> str:
    with pytest.raises(WiringError) as caught:
        App("house", *parts, store="memory://")
    return str(caught.value)


def test_two_aggregates_in_one_category_are_refused() -> None:
    class Gate(Aggregate, category="door"):
        @evolve
        def _(self, event: Opened) -> None: ...

    message = refused(Door, Gate)
    assert message.startswith(f"Door ({__file__}:")
    assert "Gate (" in message
    assert 'both live in streams door-<id>. Give one another: category="..."' in message


def test_an_aggregate_and_a_decider_may_not_share_a_category_either() -> None:
    def open_it(command: Open, state: int) -> list[Opened]:
        return []

    def opened(state: int, event: Opened) -> int:
        return state

    message = refused(Door, Decider("door", 0, open_it, opened))
    assert message.startswith(f"Door ({__file__}:")
    assert f"and {__file__}:" in message


def test_a_subclass_lives_with_its_base_so_only_one_of_them_is_passed() -> None:
    class Trapdoor(Door): ...

    assert "both live in streams door-<id>" in refused(Door, Trapdoor)
    App("house", Trapdoor, store="memory://")


@pytest.mark.parametrize("part", [Door, Doors])
def test_a_part_is_passed_once(part: Any) -> None:
    assert refused(part, part) == f"{part.__name__} is passed twice: once is enough"


def test_a_command_without_the_id_names_the_field_and_both_places() -> None:
    class Bell(Aggregate):
        @decide
        def knock(self, command: Knock) -> Iterator[object]:
            return iter(())

    message = refused(Bell)
    assert message.startswith(
        f"Knock ({describe(Knock).where}) has no field 'bell_id' that says which bell is meant"
    )
    assert f"Bell ({__file__}:" in message
    assert 'Add it, or name another: class ...(Aggregate, id="...")' in message


@pytest.mark.parametrize("part", [Door("D1"), Opened, print, "door", None, 7, object])
def test_what_is_no_part_is_refused(part: Any) -> None:
    message = refused(part)
    assert "is no part of an application: pass classes of aggregates, read models" in message


def test_an_aggregate_that_does_nothing_is_refused() -> None:
    class Idle(Aggregate):
        opened = False

    assert "Idle (" in refused(Idle)
    assert "has no @decide and no @evolve: it does nothing" in refused(Idle)


def test_a_column_without_a_type_is_refused() -> None:
    with pytest.raises(WiringError, match=r"Named .+: Named.name has no type, .+`name: str = ''`"):

        class Named(ReadModel):
            door_id: str
            name = ""

            @evolve
            def _(self, event: Opened) -> None: ...


def test_a_read_model_that_folds_nothing_is_refused() -> None:
    class Still(ReadModel):
        door_id: str

    assert "folds no event" in refused(Still)


def test_a_read_model_with_a_version_of_its_own_is_refused() -> None:
    columns = {"door_id": str, "version": int}
    body = {"__module__": __name__, "__annotations__": columns, "version": 1}
    with pytest.raises(WiringError, match=r"Versioned \(.*\): every read model has a `version`"):
        ReadModelType("Versioned", (ReadModel,), body)


def test_two_read_models_under_one_name_are_refused() -> None:
    class Gates(ReadModel, name="doors"):
        door_id: str

        @evolve
        def _(self, event: Opened) -> None: ...

    message = refused(Doors, Gates)
    assert message.startswith(f"Doors ({__file__}:")
    assert "are both called 'doors'" in message


def test_two_events_under_one_name_are_refused_with_both_places() -> None:
    @event("Opened")
    class OpenedToo:
        door_id: str

    class Gate(Aggregate, id="door_id"):
        @evolve
        def _(self, event: OpenedToo) -> None: ...

    message = refused(Door, Gate)
    assert message.startswith(
        f"two classes are called 'Opened': Opened ({describe(Opened).where})"
    )
    assert f"OpenedToo ({describe(OpenedToo).where})" in message


def test_two_commands_under_one_name_are_refused() -> None:
    @command("Open")
    class OpenToo:
        gate_id: str

    class Gate(Aggregate):
        @decide
        def open(self, command: OpenToo) -> Iterator[object]:
            return iter(())

    assert "two classes are called 'Open'" in refused(Door, Gate)


def test_a_field_that_cannot_be_stored_is_found_at_start() -> None:
    @event
    class Painted:
        door_id: str
        colour: complex

    class Wall(Aggregate, id="door_id"):
        @evolve
        def _(self, event: Painted) -> None: ...

    assert "field colour: complex cannot be stored" in refused(Wall)


async def test_events_of_the_parts_modules_are_known_though_nobody_folds_them() -> None:
    async with App("house", Door, store="memory://") as app:
        known = {message.cls for message in app.wiring.events.messages}
    assert known == {Opened, Slammed}


@event
class Slammed:
    door_id: str


def test_a_copy_of_the_wiring_is_a_wiring_of_its_own() -> None:
    wiring = Wiring()
    wiring.add(Door)
    other = wiring.copy()
    other.add(Doors)
    other.events.form(Slammed)
    assert (wiring.models, other.models) == ([], [Doors])
    assert [message.cls for message in wiring.events.messages] == [Opened]


def test_an_unknown_part_is_named_with_those_that_are_known() -> None:
    wiring = Wiring()
    wiring.add(Door)
    with pytest.raises(WiringError, match=r"^window is not in this application, which has: door$"):
        wiring.behaviour("window")


@pytest.mark.parametrize(
    "url", ["sqlite:///bank.db?mode=ro", "sqlite:///a\0b.db", "sqlite:///\ud800.db"]
)
def test_a_store_that_would_be_two_files_or_none_is_refused(url: str) -> None:
    with pytest.raises(WiringError, match=r"has no options, only a path|no file can be called"):
        backend(url)
