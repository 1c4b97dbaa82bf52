"""The codec of an application: which class stands for which word."""

from typing import Annotated
from uuid import UUID

import pytest

from whence import Tag, event
from whence.codec import Codec
from whence.envelope import Recorded
from whence.errors import Undecodable, UnknownType, WiringError
from whence.messages import describe
from whence.plain import to_builtins

from .classes import Colour, Line, Point, Transfer, form


def test_two_classes_under_one_name_are_refused_with_both_places() -> None:
    @event("opened")
    class First:
        pass

    @event("opened")
    class Second:
        pass

    with pytest.raises(WiringError) as caught:
        Codec("event", [First, Second])
    assert str(caught.value) == (
        f"two classes are called 'opened': {First.__qualname__} ({describe(First).where}) and"
        f" {Second.__qualname__} ({describe(Second).where})."
        ' Give one another name: @event("...")'
    )


def test_a_name_need_not_be_given() -> None:
    @event()
    class Came:
        pass

    @event(version=2)
    class Went:
        pass

    assert describe(Came).words == ("Came",)
    assert describe(Went).words == ("Went", "Went@2")


def test_one_class_may_be_taken_in_again() -> None:
    codec = Codec("command", [Transfer])
    assert codec.form(Transfer) is codec.form(Transfer)


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(WiringError, match="is used as an event: decorate it with @event"):
        Codec("event", [Transfer])


def recorded(word: str, data: bytes = b"{}", stream: str = "account-ACC1") -> Recorded:
    return Recorded(41, stream, 3 if stream else 0, word, data, (), b"{}", 0, "c1", 0)


def test_an_older_version_is_read_by_the_newer_class() -> None:
    @event("moved", version=2)
    class Moved:
        to: str
        why: str = "unknown"

    codec = Codec("event", [Moved])
    assert codec.decode(recorded("moved", b'{"to":"x"}')) == Moved("x", "unknown")
    assert codec.decode(recorded("moved@2", b'{"to":"x","why":"y"}')) == Moved("x", "y")
    with pytest.raises(UnknownType, match="'moved@3'"):
        codec.decode(recorded("moved@3"))


def test_an_unknown_event_names_position_stream_and_remedy() -> None:
    with pytest.raises(UnknownType) as caught:
        Codec("event").decode(recorded("money-lost@2"))
    assert str(caught.value) == (
        "no event is called 'money-lost@2', which is stored at position 41"
        " (account-ACC1 version 3). If its class was renamed, keep the stored name:"
        ' @event("money-lost"); if a newer version of the application wrote it, run that'
        " version. Nothing was changed"
    )


def test_a_payload_that_does_not_fit_names_position_class_and_remedy() -> None:
    @event
    class Moved:
        to: str

    codec = Codec("event", [Moved])
    for data in (b"{}", b'{"to":1}', b"[]", b"", b"\xff", b'{"to":"x"'):
        with pytest.raises(Undecodable) as caught:
            codec.decode(recorded("Moved", data, stream=""))
        assert f"the 'Moved' at position 41 does not fit {Moved.__qualname__} ({__file__}:" in str(
            caught.value
        )
        assert "Fields may be added with a default, never renamed or removed" in str(caught.value)


def test_fields_that_a_class_no_longer_has_are_passed_over() -> None:
    @event
    class Moved:
        to: str

    assert Codec("event", [Moved]).decode(recorded("Moved", b'{"to":"x","speed":7}')) == Moved("x")


def test_tags_are_those_of_the_fields_each_once() -> None:
    @event
    class Subscribed:
        student_id: Annotated[str, Tag("student")]
        course_ids: Annotated[list[str], Tag("course")]
        note: str = ""

    assert form(Subscribed).tags(Subscribed("s1", ["c1", "c2", "c1"])) == (
        "student:s1",
        "course:c1",
        "course:c2",
    )


def test_anything_can_be_shown_as_plain_values() -> None:
    shown = to_builtins([Line("soup", 5), Point(1), {1: Colour.RED}, UUID(int=0)])
    assert shown == [
        {"dish": "soup", "price": 5, "parts": []},
        (1, 0),
        {"1": "red"},
        "00000000-0000-0000-0000-000000000000",
    ]
