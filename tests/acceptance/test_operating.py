"""`whence projections ...` and `whence dead ...`: looking after projections at a terminal."""

import pytest

from .terminal import Terminal, save

METERS = """
from collections.abc import Iterator

from whence import Aggregate, App, ReadModel, command, decide, event, evolve


@event
class MeterRead:
    meter_id: str
    value: int


@command
class ReadMeter:
    meter_id: str
    value: int


class Meter(Aggregate):
    @decide
    def read(self, command: ReadMeter):
        yield MeterRead(command.meter_id, command.value)

    @evolve
    def _(self, event: MeterRead): ...


class Share(ReadModel, attempts=0):
    meter_id: str
    share: float = 0.0

    @evolve
    def _(self, event: MeterRead):
        self.share += 100 / event.value


app = App("meters", Meter, Share)
"""


@pytest.fixture
def meters(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Meters, of which one was read as 0."""
    save(terminal.folder, "meters.py", METERS)
    monkeypatch.setenv("WHENCE_APP", "meters:app")
    for meter, value in (("m1", 4), ("m2", 0), ("m2", 5), ("m1", 10)):
        terminal("send", "ReadMeter", f"meter_id={meter}", f"value:={value}")
    terminal("read", "share")
    return terminal


def test_what_is_dead(meters: Terminal) -> None:
    listed = meters("dead", "list", code=9)
    assert "m2" in listed.out
    assert "share m2: share cannot handle the 'MeterRead' at position 2" in listed.out
    assert "division by zero at " in listed.out
    (key,) = meters("dead", "list", "share", "--json", code=9).json
    assert (key["key"], key["events"], key["position"]) == ("m2", 2, 2)


def test_rows_that_are_late_are_said_to_be(meters: Terminal) -> None:
    said = "1 key parked, whose rows are late: see `whence dead list`\n"
    assert meters("read", "share").err.endswith(said)
    assert meters("read", "share", "m2", code=7).err.startswith(said)
    assert "parked" not in meters("read", "share", "--as-of", "1").err
    assert meters("read", "share", "--json").err == ""
    assert meters("projections", "--json").json[0]["parked"] == 1
    doctor = meters("doctor", code=9).out
    assert "FAIL  read model share: 1 key parked: an event could not be handled" in doctor
    assert "-> `whence dead list` says which, and why" in doctor


def test_what_waits(meters: Terminal) -> None:
    shown = meters("dead", "show", "share", "m2")
    assert '"value":0' in shown.out
    assert "waits behind it" in shown.out
    first, second = meters("dead", "show", "share", "m2", "--json").json
    assert "division by zero" in first["error"]
    assert second["error"] is None
    meters("dead", "show", "share", "m1", code=7)


def test_trying_again(meters: Terminal) -> None:
    assert "2 events still wait" in meters("dead", "retry", "share", "m2", "--dry", code=9).out
    assert "2 events still wait" in meters("dead", "retry", "share", "--all", code=9).out
    meters("dead", "retry", "share", code=2)


def test_leaving_out(meters: Terminal) -> None:
    done = meters("dead", "skip", "share", "m2", "--reason", "nothing was read", "--by", "alice")
    assert "2 events wait no more" in done.out
    assert meters("read", "share", "m2", "--json").json["row"]["share"] == 20.0
    assert "nothing" in meters("dead", "list").err
    listed = meters("dead", "list", "--skipped").out
    assert "nothing was read" in listed
    assert "alice" in listed
    assert "1 event skipped on purpose" in meters("verify", "share").err


def test_leaving_out_for_no_reason(meters: Terminal) -> None:
    refused = meters("dead", "skip", "share", "m2", "--reason", " ", "--by", "alice", code=2)
    assert "--reason and --by say why" in refused.err


def test_what_is_dead_obeys_nobody(meters: Terminal) -> None:
    meters("send", "ReadMeter", "meter_id=\x1b[2J", "value:=0")
    meters("read", "share", "m1")
    for words in (("list",), ("retry", "share", "--all"), ("retry", "share", "--all", "--dry")):
        said = meters("dead", *words, code=9).out
        assert "\\x1b[2J" in said
        assert "\x1b" not in said
    skipping = ("--reason", "\x1b[31m", "--by", "\x07")
    assert "\x1b" not in meters("dead", "skip", "share", "\x1b[2J", *skipping).out
    assert "\x1b" not in meters("dead", "list", "--skipped").out


def test_stopping_and_going_on(meters: Terminal) -> None:
    meters("projections", "pause", "share")
    assert meters("projections", "--json").json[0]["state"] == "paused"
    meters("projections", "resume", "share")
    assert meters("projections", "--json").json[0]["state"] == "live"


def test_rewinding(meters: Terminal) -> None:
    meters("projections", "rewind", "share", "0")
    assert meters("projections", "--json").json[0]["state"] == "live"
    meters("projections", "rewind", "share", "-1", code=2)


def test_going_back(meters: Terminal) -> None:
    meters("projections", "rollback", "share", code=7)
    meters("rebuild", "share")
    meters("projections", "rollback", "share")
    meters("projections", "clean", "share")
    meters("projections", "clean", "share", code=7)


def test_retiring(meters: Terminal) -> None:
    meters("projections", "retire", "share", "--drop")
    assert meters("projections", "--json").json[0]["state"] == "retired"
    meters("projections", "pause", "nothing", code=2)
    assert meters("verify").err == "share: retired, so there is nothing to verify\n"
    assert meters("verify", "--json").json == []
