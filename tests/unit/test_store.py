"""What no store could keep or find again is refused before any store sees it."""

import pytest

from whence.envelope import NewEvent, Recorded, Stretch, payloads
from whence.store import (
    ALL,
    LAST_POSITION,
    MOST_CHARACTERS,
    Commit,
    EventQuery,
    Item,
    any_of,
    check_read,
    in_stream,
    matching,
)

GOOD = NewEvent("happened", b"{}", "s", ("x:1",))
BAD_NAMES = {
    "": "at least one character",
    "a\0b": "may not hold a NUL",
    "\ud800": "surrogates not allowed",
    "a\udfff": "surrogates not allowed",
    "x" * (MOST_CHARACTERS + 1): f"at most {MOST_CHARACTERS} characters",
}


@pytest.mark.parametrize(("name", "says"), BAD_NAMES.items(), ids=range(len(BAD_NAMES)))
def test_names_that_no_store_keeps(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Commit(name, [GOOD])
    with pytest.raises(ValueError, match=says):
        Commit("c", [GOOD, NewEvent(name, b"{}")])
    with pytest.raises(ValueError, match=says):
        Commit("c", [NewEvent("t", b"{}", tags=("x:1", name))])
    if name:
        with pytest.raises(ValueError, match=says):
            Commit("c", [NewEvent("t", b"{}", name)])
        with pytest.raises(ValueError, match=says):
            Commit("c", [GOOD], {name: 1})


@pytest.mark.parametrize(("name", "says"), BAD_NAMES.items(), ids=range(len(BAD_NAMES)))
def test_names_that_nobody_can_ask_for(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Item(frozenset(["t", name]))
    with pytest.raises(ValueError, match=says):
        Item(tags=frozenset([name]))
    with pytest.raises(ValueError, match=says):
        Item(frozenset(["t"]), stream=name)
    with pytest.raises(ValueError, match=says):
        Item(frozenset(["t"]), commit_id=name)


@pytest.mark.parametrize("number", [-1, -(2**70), LAST_POSITION + 1, 2**70])
def test_numbers_that_no_store_counts_to(number: int) -> None:
    says = f"{number} is no version or position"
    with pytest.raises(ValueError, match=says):
        Commit("c", [GOOD], {"s": 1, "t": number})
    with pytest.raises(ValueError, match=says):
        Commit("c", [GOOD], unless=EventQuery((Item(stream="s"),)), after=number)
    with pytest.raises(ValueError, match=says):
        check_read(number, None)


def test_the_greatest_and_the_least_number() -> None:
    Commit("c", [GOOD], {"s": LAST_POSITION, "t": 0}, after=LAST_POSITION)
    check_read(LAST_POSITION, 1)
    check_read(0, None)


@pytest.mark.parametrize("data", ["{}", None, 7, bytearray(b"{}"), memoryview(b"{}")])
def test_data_that_is_not_bytes(data: object) -> None:
    for event in (NewEvent("t", data), NewEvent("t", b"{}", metadata=data)):  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="the data and the metadata of 't' are not bytes"):
            Commit("c", [event])


@pytest.mark.parametrize("micros", [-(10**17), 10**18, 2**63, -(2**63) - 1])
def test_a_time_that_no_calendar_has(micros: int) -> None:
    with pytest.raises(ValueError, match=f"no date has {micros} microseconds"):
        Commit("c", [NewEvent("t", b"{}", micros=micros)])


def test_a_stretch_is_a_sequence_of_events() -> None:
    stretch = Stretch("s", 7, [(11, "a", b"1"), (12, "b", b"2"), (15, "a", b"3")])
    events = [
        Recorded(11, "s", 7, "a", b"1"),
        Recorded(12, "s", 8, "b", b"2"),
        Recorded(15, "s", 9, "a", b"3"),
    ]
    assert list(stretch) == events
    assert [stretch[0], stretch[-1], *stretch[:2], *stretch[::-1]] == [
        events[0],
        events[-1],
        *events[:2],
        *events[::-1],
    ]
    assert len(stretch) == 3
    assert list(payloads(stretch)) == list(payloads(events)) == stretch.rows
    with pytest.raises(IndexError):
        stretch[3]


def test_queries_put_together_ask_for_each_item_once_and_for_all_if_one_does() -> None:
    one, other = matching(["a"]), in_stream("s")
    assert any_of(one, other, one) == EventQuery((*one.items, *other.items))
    assert any_of(one, ALL, other) is ALL
