"""`whence why`, and `whence read` of what was, of what differs, and of what is to come."""

import json
import re
import signal
from threading import Timer

import pytest

from .terminal import Terminal, save, shape, stop

TODAY = "2099-01-01"


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_each_event_behind_a_value_says_what_it_changed(account: Terminal) -> None:
    answer = account("why", "balance", "ACC1", "balance")
    assert [re.sub(r"  \d{4}-\S+ \S+Z", "", line) for line in answer.out.splitlines()] == [
        "    3  MoneyWithdrawn  account-ACC1 v3",
        "       WithdrawMoney  by alice",
        "       balance: 100 -> 70",
        "    2  MoneyDeposited  account-ACC1 v2",
        "       DepositMoney  by employer",
        "       balance: 0 -> 100",
        "    1  AccountOpened  account-ACC1 v1",
        "       OpenAccount  by alice",
        "       balance: 0",
    ]
    assert answer.err == "3 events changed it\n"


def test_programs_get_all_that_is_known_of_them(account: Terminal) -> None:
    found = account("why", "Balance", "ACC1", "--json").json

    assert (found["model"], found["key"], found["column"]) == ("balance", "ACC1", None)
    latest = found["reasons"][0]
    assert latest["data"] == {"account_id": "ACC1", "amount": 30}
    assert latest["changes"] == [{"path": "balance", "before": 100, "after": 70}]
    assert (latest["command"], latest["by"]) == ("WithdrawMoney", "alice")
    assert shape(latest) == {
        "position": "int",
        "time": "str",
        "type": "str",
        "data": {"account_id": "str", "amount": "int"},
        "stream": "str",
        "version": "int",
        "command": "str",
        "command_id": "str",
        "by": "str",
        "correlation": "NoneType",
        "causation": "NoneType",
        "changes": [{"path": "str", "before": "int", "after": "int"}],
    }


def test_the_latest_reasons_come_first_and_may_be_enough(account: Terminal) -> None:
    answer = account("why", "balance", "ACC1", "--limit", "1")
    assert len(answer.out.splitlines()) == 3
    assert answer.err == "1 event changed it; there are older ones, --limit 0 shows all\n"
    assert len(account("why", "balance", "ACC1", "--limit", "0", "--json").json["reasons"]) == 3
    assert account("why", "balance", "ACC1", "--limit", "3").err == "3 events changed it\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("balance", "ACC9"), 7, "no event has ever changed the row of 'ACC9' in balance"),
        (("balances", "ACC1"), 2, "balances"),
        (("balance", "ACC1", "colour"), 2, "has no column 'colour'"),
        (("balance", "ACC1", "--limit", "-1"), 2, "Must be >= 0"),
    ],
)
def test_what_cannot_be_explained_is_said(
    account: Terminal, words: tuple[str, ...], code: int, says: str
) -> None:
    assert says in account("why", *words, code=code).err


def balances(terminal: Terminal, *words: str) -> list[int]:
    rows = terminal("read", "balance", *words, "--json").json["rows"]
    return [row["balance"] for row in rows]


def test_rows_are_shown_as_they_were(account: Terminal) -> None:
    assert [balances(account, "--as-of", str(n)) for n in range(4)] == [[], [0], [100], [70]]
    assert balances(account, "--as-of", TODAY) == [70]
    assert balances(account, "--as-of", "2020-01-01") == []
    assert balances(account, "--as-of", "2", "--where", "owner=bob") == []

    answer = account("read", "balance", "--as-of", "2")
    assert table(answer.out)[1] == ["ACC1", "alice", "100", "2"]
    assert answer.err.endswith("1 row of balance as of position 2\n")


def test_a_row_is_shown_as_it_was(account: Terminal) -> None:
    found = account("read", "balance", "ACC1", "--as-of", "2", "--json").json
    assert (found["position"], found["row"]["balance"]) == (2, 100)
    answer = account("read", "balance", "ACC1", "--as-of", "0", code=7)
    assert "balance has no row of 'ACC1', as of position 0" in answer.err


def test_what_differs_between_two_moments_is_shown(account: Terminal) -> None:
    answer = account("read", "balance", "--diff", "2", TODAY)
    assert table(answer.out) == [
        ["key", "what", "column", "at", "2", "at", TODAY],
        ["ACC1", "changed", "balance", "100", "70"],
    ]
    assert answer.err.endswith("1 row of balance changed\n")

    found = account("read", "balance", "--diff", "0", "1", "--json").json
    (change,) = found.pop("changes")
    assert found == {"model": "balance", "before": 0, "after": 1, "count": 1}
    assert (change["key"], change["kind"], change["before"]) == ("ACC1", "appeared", None)
    assert change["after"]["owner"] == "alice"
    assert account("read", "balance", "--diff", "0", "1", "--where", "owner=bob").err.endswith(
        "0 rows of balance changed\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--as-of", "yesterday"), 2, "'yesterday' is no moment: write a position, as in 3"),
        (("--as-of", "-1"), 2, "'-1' is no moment"),
        (("--as-of", "4"), 7, "the log ends at position 3: there is no 4 yet"),
        (("--diff", "1", "soon"), 2, "'soon' is no moment"),
        (("ACC1", "--diff", "1", "2"), 2, "--diff shows all rows that differ"),
        (("--watch",), 2, "whence read MODEL KEY --watch"),
        (("ACC1", "--watch", "--as-of", "1"), 2, "whence read MODEL KEY --watch"),
    ],
)
def test_what_does_not_go_together_is_said(
    account: Terminal, words: tuple[str, ...], code: int, says: str
) -> None:
    assert says in account("read", "balance", *words, code=code).err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_row_is_watched_until_it_is_stopped(account: Terminal, number: int) -> None:
    watching = account.start("read", "balance", "ACC1", "--watch", "--json")
    killer = Timer(60, watching.kill)
    killer.start()
    assert watching.stdout is not None
    first = json.loads(watching.stdout.readline())
    assert first == {
        "model": "balance",
        "row": {"account_id": "ACC1", "owner": "alice", "balance": 70, "version": 3},
    }
    account("send", "DepositMoney", "account_id=ACC1", "amount=5")
    assert json.loads(watching.stdout.readline())["row"]["balance"] == 75

    answer = stop(watching, number)

    killer.cancel()
    assert (answer.code, answer.err) == (0, "")


def test_people_see_what_changes(account: Terminal) -> None:
    watching = account.start("read", "balance", "ACC1", "-w")
    killer = Timer(60, watching.kill)
    killer.start()
    assert watching.stdout is not None
    first = watching.stdout.readline()
    assert first.split() == [
        *("version", "3", "account_id:", "ACC1,", "owner:", "alice,", "balance:", "70"),
    ]
    account("send", "DepositMoney", "account_id=ACC1", "amount=5")
    assert watching.stdout.readline().split() == ["version", "4", "balance:", "70", "->", "75"]
    assert stop(watching).code == 0
    killer.cancel()


def test_watching_ends_when_nobody_reads(account: Terminal) -> None:
    with account.start("read", "balance", "ACC9", "--watch") as watching:
        killer = Timer(60, watching.kill)
        killer.start()
        assert watching.stdout is not None
        assert watching.stdout.readline() == "there is no such row\n"
        watching.stdout.close()
        assert watching.wait() == 0
        killer.cancel()


LIVE = """
from bank import Account, AccountOpened, MoneyDeposited, OpenAccount, DepositMoney
from whence import App, ReadModel, evolve


class Wealth(ReadModel, kind="live"):
    account_id: str
    balance: int = 0

    @evolve
    def _(self, event: AccountOpened) -> None:
        pass

    @evolve
    def _(self, event: MoneyDeposited) -> None:
        self.balance += event.amount


app = App("bank", Account, Wealth)
"""


def test_live_read_models_are_read_like_others(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(terminal.folder, "lively.py", LIVE)
    monkeypatch.setenv("WHENCE_APP", "lively:app")
    terminal("send", "OpenAccount", "account_id=ACC1", "owner=alice")
    terminal("send", "DepositMoney", "account_id=ACC1", "amount=5")

    assert terminal("read", "wealth", "--json").json["rows"][0]["balance"] == 5
    assert terminal("read", "wealth", "ACC1", "--json").json["row"]["balance"] == 5
    assert len(terminal("why", "wealth", "ACC1", "balance", "--json").json["reasons"]) == 2
