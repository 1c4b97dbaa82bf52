"""The words of a domain: names, versions, fields, tags, and what is refused when it is written."""

from dataclasses import FrozenInstanceError, dataclass
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from pydantic.dataclasses import dataclass as pydantic_dataclass

from whence import Tag, command, event, query
from whence.errors import WiringError
from whence.messages import describe, place, registered


@event
class Opened:
    account_id: str
    owner: str = "nobody"


def test_a_plain_class_becomes_a_frozen_slotted_dataclass() -> None:
    opened = Opened("ACC1")
    assert repr(opened) == "Opened(account_id='ACC1', owner='nobody')"
    assert opened == Opened("ACC1", "nobody")
    assert not hasattr(opened, "__dict__")
    with pytest.raises(FrozenInstanceError):
        opened.owner = "ann"  # type: ignore[misc]


def test_a_class_is_called_like_itself_unless_another_name_is_given() -> None:
    @event("money-deposited")
    class Deposited:
        pass

    assert describe(Opened).name == "Opened"
    assert describe(Deposited).name == "money-deposited"


def test_a_later_version_has_a_word_of_its_own_and_reads_the_earlier_ones() -> None:
    @event("moved", version=3)
    class Moved:
        pass

    assert describe(Moved).word == "moved@3"
    assert describe(Moved).words == ("moved", "moved@2", "moved@3")
    assert describe(Opened).word == "Opened"


def test_the_place_of_a_class_is_its_file_and_line() -> None:
    file, _, line = describe(Opened).where.rpartition(":")
    assert file == __file__
    assert "@event" in _line(int(line)) or "class Opened" in _line(int(line))
    assert place(Opened) == f"Opened ({__file__}:{line})"


class NoMessage:
    pass


def test_a_class_that_is_no_message_has_a_place_too() -> None:
    name, _, where = place(NoMessage).partition(" ")
    assert name == "NoMessage"
    assert where.startswith(f"({__file__}:")
    assert "class NoMessage" in _line(int(where.rstrip(")").rpartition(":")[2]))
    assert place(int) == "int (builtins)"


def _line(number: int) -> str:
    with open(__file__, encoding="utf-8") as source:
        return source.readlines()[number - 1]


def test_what_is_made_already_is_taken_as_it_is() -> None:
    @dataclass
    class Data:
        n: int

    class Struct(msgspec.Struct):
        n: int

    @attrs.frozen
    class Attrs:
        n: int

    class Model(pydantic.BaseModel):
        n: int

    @pydantic_dataclass
    class PydanticData:
        n: int

    for cls in (Data, Struct, Attrs, Model, PydanticData):
        made: type[Any] = event(cls)
        assert made is cls
        assert [(f.name, f.type, f.required) for f in describe(made).fields] == [("n", int, True)]


@pytest.mark.parametrize("of", ["attrs", "pydantic"])
def test_a_class_that_only_inherits_from_a_made_one_is_refused(of: str) -> None:
    base: type[Any] = attrs.frozen(NoMessage) if of == "attrs" else pydantic_dataclass(NoMessage)
    with pytest.raises(WiringError, match=rf"{__file__}:\d+: Sub needs @"):
        event(type("Sub", (base,), {"__annotations__": {"more": int}}))


def test_fields_that_no_dataclass_can_have_are_refused_with_the_place() -> None:
    notes: list[str] = []
    with pytest.raises(
        WiringError, match=rf"{__file__}:\d+: Noted: .*field\(default_factory=list"
    ):
        event(type("Noted", (), {"__annotations__": {"notes": list[str]}, "notes": notes}))
    fields = {"__annotations__": {"a": int, "b": int}, "a": 1}
    with pytest.raises(WiringError, match=r"Late: non-default argument 'b' follows"):
        event(type("Late", (), fields))


def test_a_subclass_of_an_event_has_the_fields_of_both() -> None:
    @event
    class Reopened(Opened):
        reason: str = ""

    assert repr(Reopened("A", "b", "c")) == f"{Reopened.__qualname__}(" + (
        "account_id='A', owner='b', reason='c')"
    )
    assert describe(Reopened).name == "Reopened"
    assert [field.name for field in describe(Reopened).fields] == ["account_id", "owner", "reason"]


def test_a_class_that_inherits_from_a_message_is_none_by_itself() -> None:
    class Child(Opened):
        pass

    assert registered(Child) is None
    with pytest.raises(WiringError, match="is not a message: decorate it with @event"):
        describe(Child, "event")


@pytest.mark.parametrize(
    ("cls", "instead"),
    [
        (type, "give an object of the class with @event, not the class itself"),
        (list, "a class of yours with @event is wanted, or an object of it"),
    ],
)
def test_what_is_pythons_own_is_no_message(cls: type, instead: str) -> None:
    with pytest.raises(WiringError, match=f"is not a message: {instead}"):
        describe(cls, "event")


def test_a_field_without_a_type_is_refused() -> None:
    with pytest.raises(
        WiringError, match=rf"{__file__}:\d+: Named.owner has no type.+`owner: str"
    ):

        @event
        class Named:
            account_id: str
            owner = ""


def test_what_is_no_field_needs_no_type() -> None:
    @event
    class Named:
        account_id: str
        LIMIT = 5
        _cache = 1

        @property
        def name(self) -> str:
            return self.account_id

        @classmethod
        def anew(cls) -> "Named":
            return cls("A")

    assert [field.name for field in describe(Named).fields] == ["account_id"]


@pytest.mark.parametrize("version", [0, -1])
def test_versions_count_from_one(version: int) -> None:
    with pytest.raises(WiringError, match=rf"{__file__}:\d+: versions count from 1"):
        event("moved", version=version)


@pytest.mark.parametrize("name", ["", "a@2", 7, lambda: None])
def test_a_name_is_text_without_an_at_sign(name: Any) -> None:
    with pytest.raises(WiringError, match=r"@command takes a name without '@'"):
        command(name)


def test_a_class_is_decorated_once() -> None:
    with pytest.raises(WiringError, match=r"this is the event Opened \(.+\) already"):
        command(Opened)


def test_a_message_of_the_wrong_kind_says_where_it_is_and_what_it_should_be() -> None:
    with pytest.raises(WiringError) as caught:
        describe(Opened, "command")
    assert str(caught.value) == (
        f"event Opened ({describe(Opened).where}) is used as a command: decorate it with @command"
    )


def test_an_annotation_that_names_nothing_is_found() -> None:
    @event
    class Lost:
        what: "Missing"  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore

    with pytest.raises(WiringError, match=r"annotation of Lost names 'Missing', which is not"):
        _ = describe(Lost).fields


def test_fields_say_what_must_be_given() -> None:
    @query
    @attrs.frozen
    class Find:
        owner: str
        limit: int = attrs.field(default=0)
        tags: list[str] = attrs.Factory(list[str])

    class Ask(pydantic.BaseModel):
        owner: str
        limit: int = 0
        tags: list[str] = pydantic.Field(default_factory=list)

    query(Ask)
    for cls in (Find, Ask):
        assert [(field.name, field.required) for field in describe(cls).fields] == [
            ("owner", True),
            ("limit", False),
            ("tags", False),
        ]


def test_a_field_with_two_names_is_refused() -> None:
    @event
    @attrs.frozen
    class Private:
        _owner: str

    with pytest.raises(WiringError, match="its field '_owner' is 'owner' to those who make one"):
        _ = describe(Private).fields


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("c1", ["course:c1"]),
        (7, ["course:7"]),
        (UUID(int=1), ["course:00000000-0000-0000-0000-000000000001"]),
        (Colour.RED, ["course:red"]),
        (["c1", "c2"], ["course:c1", "course:c2"]),
        ((), []),
        (None, []),
    ],
)
def test_a_tag_is_its_name_and_the_value(value: object, tags: list[str]) -> None:
    assert Tag("course").of(value) == tags


def test_a_tag_can_be_normalised() -> None:
    assert Tag("username", str.lower).of("JamesBond") == ["username:jamesbond"]


def test_a_tag_is_found_wherever_it_stands_in_the_annotation() -> None:
    @event
    class Tagged:
        plain: Annotated[str, Tag("a")]
        maybe: Annotated[str, Tag("b")] | None
        several: list[Annotated[str, Tag("c")]]
        none: Annotated[str, "d"]

    found = [field.tag and field.tag.name for field in describe(Tagged).fields]
    assert found == ["a", "b", "c", None]
