"""The tree of errors: drawn as it is, with numbers as attributes and sentences as messages."""

import inspect
import pickle
import re

import pytest

from whence import errors
from whence.envelope import Recorded
from whence.errors import (
    Behind,
    ChangedState,
    Conflict,
    HandlerFailed,
    Invalid,
    Stale,
    Unknown,
    WhenceError,
)


def drawn() -> dict[str, str]:
    """Every error in the drawing, and the one that it hangs on."""
    found, path = dict[str, str](), ["WhenceError"]
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"([│ ]*)[├└]── (\w+)", line):
            depth = len(branch[1]) // 4 - 1  # the drawing itself is indented
            path[depth + 1 :] = [branch[2]]
            found[branch[2]] = path[depth]
    return found


def test_the_tree_is_drawn_as_it_is() -> None:
    written = {
        name: cls.__bases__[0].__name__
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, WhenceError) and cls is not WhenceError
    }
    assert drawn() == written


def test_every_error_says_what_it_means() -> None:
    for name in drawn():
        assert inspect.getdoc(getattr(errors, name)), name


def recorded(version: int, stream: str = "account-A1", type: str = "Opened") -> Recorded:
    return Recorded(version + 10, stream, version, type, b"{}", (), b"{}", 0, "c1", 0)


def test_invalid_maps_fields_to_problems() -> None:
    invalid = Invalid("Open", {"name": "is missing", "age": "Expected `int`"})
    assert invalid.fields == {"name": "is missing", "age": "Expected `int`"}
    assert str(invalid) == "Open is not valid: name: is missing; age: Expected `int`"


def test_a_conflict_says_which_streams_moved_and_by_what() -> None:
    conflict = Conflict({"a": 1, "b": 2}, {"a": 3, "b": 2}, [recorded(2, "a"), recorded(3, "a")])
    assert (conflict.expected, conflict.actual) == ({"a": 1, "b": 2}, {"a": 3, "b": 2})
    assert [event.version for event in conflict.events] == [2, 3]
    assert str(conflict) == ("a is at version 3, not 1; meanwhile:\n  a 2: Opened\n  a 3: Opened")


def test_a_conflict_over_a_query_counts_what_matched() -> None:
    assert str(Conflict({}, {}, [recorded(1, "")])) == (
        "1 event(s) match the condition; meanwhile:\n   1: Opened"
    )


def test_a_conflict_shows_ten_events_and_holds_all() -> None:
    conflict = Conflict({"a": 0}, {"a": 50}, [recorded(n, "a") for n in range(1, 51)])
    assert len(conflict.events) == 50
    assert str(conflict).count("Opened") == 10


def test_a_stale_sender_meets_a_conflict() -> None:
    assert issubclass(Stale, Conflict)


def test_unknown_tells_what_to_do() -> None:
    unknown = Unknown("c1")
    assert unknown.commit_id == "c1"
    assert "Send the same command with the same id again: it is applied at most once" in str(
        unknown
    )


def test_behind_counts() -> None:
    behind = Behind("balance", 10, 7, 2.5)
    assert (behind.model, behind.wanted, behind.reached) == ("balance", 10, 7)
    assert "has reached position 7, not yet 10 (3 behind) after 2.5 s" in str(behind)


def test_a_failed_handler_names_the_event_and_the_error() -> None:
    failed = HandlerFailed("balance", recorded(3), ZeroDivisionError("division by zero"))
    assert failed.position == 13
    assert str(failed).startswith(
        "balance cannot handle the 'Opened' at position 13 (account-A1 version 3):"
        " ZeroDivisionError: division by zero"
    )


@pytest.mark.parametrize(
    "error",
    [
        Invalid("Open", {"name": "is missing"}),
        Conflict({"a": 1}, {"a": 2}, [recorded(2, "a")]),
        Stale({"a": 1}, {"a": 2}),
        Unknown("c1", "away"),
        Behind("balance", 10, 7, 2.5),
        ChangedState("Account", "balance"),
        HandlerFailed("balance", recorded(3), ValueError("x")),
    ],
)
def test_errors_can_go_to_another_process(error: WhenceError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
