"""`whence streams`, `show`, `tail` and `history`: what is stored, and what it was."""

from datetime import UTC, datetime

import pytest

from .terminal import Terminal, save, shape

RECORD: dict[str, object] = {
    "position": "int",
    "stream": "str",
    "version": "int",
    "type": "str",
    "time": "str",
    "data": {"account_id": "str", "owner": "str"},
    "tags": [],
    "metadata": {"command": "str", "by": "str"},
    "id": "str",
}
TYPES = ["AccountOpened", "MoneyDeposited", "MoneyWithdrawn"]


@pytest.fixture
def accounts(account: Terminal) -> Terminal:
    """And a second account, with one event: the fourth of the log."""
    account("send", "OpenAccount", "account_id=ACC2", "owner=bob")
    return account


def versions(terminal: Terminal, *words: str) -> list[int]:
    return [line["version"] for line in terminal("show", "account-ACC1", *words, "--json").lines]


def positions(terminal: Terminal, *words: str) -> list[int]:
    return [line["position"] for line in terminal("tail", *words, "--json").lines]


def test_streams_are_listed_with_their_versions(accounts: Terminal) -> None:
    found = accounts("streams", "--json").lines
    assert found == [
        {"stream": "account-ACC1", "version": 3},
        {"stream": "account-ACC2", "version": 1},
    ]
    answer = accounts("streams")
    assert [line.split() for line in answer.out.splitlines()][1:] == [
        ["account-ACC1", "3"],
        ["account-ACC2", "1"],
    ]
    assert answer.err == "2 streams\n"


def test_streams_are_listed_a_part_at_a_time(accounts: Terminal) -> None:
    assert accounts("streams", "--limit", "1").err == "1 stream; --after account-ACC1 goes on\n"
    rest = accounts("streams", "--limit", "1", "--after", "account-ACC1")
    assert "account-ACC2" in rest.out
    assert rest.err == "1 stream\n"
    assert accounts("streams", "account-ACC2", "--json").lines[0]["stream"] == "account-ACC2"
    assert accounts("streams", "order-").err == "0 streams\n"


def test_the_store_is_enough_to_look_into_it(
    account: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHENCE_APP")
    for command in (["streams"], ["show", "account-ACC1"], ["tail"]):
        assert "account-ACC1" in account("--store", "sqlite:///bank.db", *command, "--json").out
    assert "which store? Say --store URL" in account("streams", code=2).err


def test_a_stream_is_shown_as_it_is_stored(account: Terminal) -> None:
    found = account("show", "account-ACC1", "--json").lines
    assert shape(found[0]) == RECORD
    assert [event["type"] for event in found] == TYPES
    assert found[1]["data"] == {"account_id": "ACC1", "amount": 100}
    lines = account("show", "account-ACC1").out.splitlines()
    assert [line.split()[3:5] for line in lines] == [[f"v{n}", TYPES[n - 1]] for n in (1, 2, 3)]
    assert lines[1].endswith('{"account_id":"ACC1","amount":100}  by employer')


def test_a_part_of_a_stream_is_shown(account: Terminal) -> None:
    assert versions(account, "--after", "1") == [2, 3]
    assert versions(account, "--limit", "2") == [1, 2]
    assert versions(account, "--after", "1", "--limit", "1") == [2]
    assert versions(account, "--backwards") == [3, 2, 1]
    assert versions(account, "--backwards", "--limit", "1") == [3]
    assert versions(account, "--backwards", "--after", "1") == [3, 2]
    assert versions(account, "--limit", "0") == [1, 2, 3]
    assert versions(account, "--after", "99") == []


def test_the_tail_is_the_end_of_the_log(accounts: Terminal) -> None:
    assert positions(accounts) == [1, 2, 3, 4]
    assert positions(accounts, "-n", "2") == [3, 4]
    assert positions(accounts, "-n", "0") == []
    assert positions(accounts, "--after", "2") == [3, 4]
    assert positions(accounts, "--type", "AccountOpened", "--type", "MoneyWithdrawn") == [1, 3, 4]
    assert positions(accounts, "--stream", "account-ACC1", "-n", "1") == [3]
    assert positions(accounts, "--tag", "nobody:has") == []
    first = accounts("tail").out.splitlines()[0]
    assert "account-ACC1 v1  AccountOpened" in first


def test_where_nothing_is_found_that_is_said(account: Terminal) -> None:
    for words in (("--type", "Nope"), ("--stream", "nope-1")):
        assert account("tail", *words).err == "nothing found\n"
        assert account("tail", *words, "--json").err == ""


def test_history_says_what_each_event_changed(account: Terminal) -> None:
    found = account("history", "account-ACC1", "--json").json
    assert shape(found) == {
        "stream": "str",
        "version": "int",
        "events": [
            {
                "version": "int",
                "position": "int",
                "time": "str",
                "type": "str",
                "metadata": {"command": "str", "by": "str"},
                "changes": [{"path": "str", "before": "bool", "after": "bool"}],
            }
        ],
        "state": {"opened": "bool", "balance": "int"},
    }
    assert found["events"][2]["changes"] == [{"path": "balance", "before": 100, "after": 70}]
    answer = account("history", "account-ACC1")
    assert "balance: 100 -> 70" in answer.out
    assert answer.err == "account-ACC1: 3 events\n"


def test_a_long_history_shows_its_end(account: Terminal) -> None:
    answer = account("history", "account-ACC1", "--limit", "1")
    assert "MoneyWithdrawn" in answer.out
    assert "MoneyDeposited" not in answer.out
    assert "balance: 100 -> 70" in answer.out
    assert answer.err == "account-ACC1: 3 events, the latest 1 of them; --limit 0 shows all\n"
    assert len(account("history", "account-ACC1", "--limit", "0").out.splitlines()) == 6


@pytest.mark.parametrize(
    ("moment", "version", "balance"),
    [
        ("0", 0, 0),
        ("1", 1, 0),
        ("2", 2, 100),
        ("position=2", 2, 100),
        ("position=0", 0, 0),
        ("position=99", 3, 70),
        ("2020-02-29", 0, 0),
        ("2999-01-01T09:30+01:00", 3, 70),
    ],
)
def test_the_state_is_shown_as_it_was_at_any_moment(
    account: Terminal, moment: str, version: int, balance: int
) -> None:
    found = account("history", "account-ACC1", "--at", moment, "--json").json
    assert (found["stream"], found["version"]) == ("account-ACC1", version)
    assert found["state"] == {"opened": version > 0, "balance": balance}
    answer = account("history", "account-ACC1", "--at", moment)
    assert [line.split() for line in answer.out.splitlines()][2] == ["balance", str(balance)]
    reached = f"version {version}" if version else "before its first event"
    assert answer.err == f"account-ACC1 at {moment}: {reached}\n"


def test_the_moment_of_an_event_is_after_it(account: Terminal) -> None:
    _, second, _ = account("show", "account-ACC1", "--json").lines
    moment = datetime.fromisoformat(second["time"].replace("Z", "+00:00")).astimezone(UTC)
    for text in (moment.isoformat(), f"{moment:%Y-%m-%dT%H:%M:%S.%f}"):
        found = account("history", "account-ACC1", "--at", text, "--json").json
        assert (found["version"], found["at"]) == (2, f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}")


@pytest.mark.parametrize(
    ("before", "after"), [("1", "3"), ("position=1", "2999-01-01"), ("1", "position=3")]
)
def test_two_moments_are_compared(account: Terminal, before: str, after: str) -> None:
    found = account("history", "account-ACC1", "--diff", before, after, "--json").json
    assert found["changes"] == [{"path": "balance", "before": 0, "after": 70}]
    assert {*found} == {"stream", "before", "after", "changes"}
    answer = account("history", "account-ACC1", "--diff", before, after)
    assert answer.out.splitlines()[1].split() == ["balance", "0", "70"]
    assert answer.err == "1 difference\n"


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("show", "account-ACC9"), 7, "there is no stream 'account-ACC9': `whence streams` lists"),
        (("show", "account-ACC1", "--limit", "-1"), 2, "Must be >= 0"),
        (("history", "account-ACC9"), 7, "there is no stream 'account-ACC9'"),
        (("history", "acount-ACC1"), 2, "'acount-ACC1'. Did you mean account-<id>?"),
        (("history", "account"), 2, "There are: account-<id>"),
        (("history", "account-ACC1", "--at", "9"), 7, "account-ACC1 has 3 version(s), not 9"),
        (("history", "account-ACC1", "--at", f"{2**64}"), 7, "account-ACC1 has 3 version(s)"),
        (("history", "account-ACC1", "--at", "-1"), 2, "'-1' is no moment"),
        (("history", "account-ACC1", "--at", "²"), 2, "'²' is no moment: write a version"),
        (("history", "account-ACC1", "--at", "position=x"), 2, "or a position of the log, as in"),
        (("history", "account-ACC1", "--at", "noon"), 2, "a time, as in 2026-11-01"),
        (("history", "account-ACC1", "--diff", "1"), 2, "requires 2"),
        (("history", "account-ACC1", "--at", "1", "--diff", "1", "2"), 2, "two questions"),
        (("tail", "-n", "-1"), 2, "Must be >= 0"),
        (("tail", "--after", "last"), 2, "--after"),
    ],
)
def test_a_look_that_makes_no_sense_says_why(
    account: Terminal, words: tuple[str, ...], code: int, problem: str
) -> None:
    assert problem in account(*words, code=code).err


def test_what_is_stored_cannot_command_the_terminal(bank: Terminal) -> None:
    evil = "\x1b[2J\x1b]0;title\x07\u202eab\x9b1m"
    bank("send", "OpenAccount", "account_id=ACC1", f"owner={evil}", "--by", evil)
    for words in (
        ("show", "account-ACC1"),
        ("tail",),
        ("tail", "--json"),
        ("history", "account-ACC1"),
        ("read", "balance"),
        ("read", "balance", "--json"),
        ("ask", "FindAccounts", "owner="),
    ):
        said = bank(*words).out
        assert not {*said} & {"\x1b", "\x07", "\u202e", "\x9b"}, words


DECIDERS = """
from whence import App, Decider, command, event


@event
class Counted:
    counter_id: str
    by: int


@command
class Count:
    counter_id: str
    by: int


def decide(command: Count, state: dict[str, int]):
    yield Counted(command.counter_id, command.by)


def evolve(state: dict[str, int], event: Counted) -> dict[str, int]:
    return {**state, "sum": state["sum"] + event.by}


app = App("counting", Decider("counter", {"sum": 0}, decide, evolve))
"""


def test_free_functions_have_a_history_too(terminal: Terminal) -> None:
    save(terminal.folder, "counting.py", DECIDERS)
    save(terminal.folder, "whence.toml", 'app = "counting:app"')
    for by in (1, 2):
        terminal("send", "Count", "counter_id=C1", f"by={by}")
    assert "sum: 1 -> 3" in terminal("history", "counter-C1").out
    assert terminal("history", "counter-C1", "--at", "1", "--json").json["state"] == {"sum": 1}
