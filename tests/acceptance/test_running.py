"""`whence projections`, `rebuild`, `doctor`: how far the read models are, and is all well?"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .terminal import Terminal, save

STATUS = {"name", "state", "position", "head", "lag", "parked", "error"}
TOTALS = """
from bank import Account, AccountOpened, Balance, MoneyDeposited
from whence import App, ReadModel, evolve


class Total(ReadModel):
    currency: str
    deposited: int = 0

    @evolve(key=lambda event: "EUR")
    def _(self, event: MoneyDeposited):
        self.deposited += event.amount FACTOR


app = App("bank", Account, Balance, Total)
"""


@pytest.fixture
def totals(account: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The bank with a read model more."""
    save(account.folder, "totals.py", TOTALS.replace("FACTOR", ""))
    monkeypatch.setenv("WHENCE_APP", "totals:app")
    return account


def change(path: Path, statement: str) -> None:
    """Do to a file what no application does."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def statuses(terminal: Terminal) -> dict[str, Any]:
    return {one["name"]: one for one in terminal("projections", "--json").json}


def findings(terminal: Terminal, code: int = 0) -> dict[str, Any]:
    found = terminal("doctor", "--json", code=code).json
    assert found["ok"] is (code == 0)
    return {one["name"]: one for one in found["findings"]}


def test_projections_says_how_far_each_has_come_and_moves_none(totals: Terminal) -> None:
    totals("read", "balance")
    found = statuses(totals)
    assert {*found} == {"balance", "total"}
    assert all({*one} >= STATUS for one in found.values())
    assert (found["balance"]["state"], found["balance"]["lag"]) == ("live", 0)
    assert (found["total"]["position"], found["total"]["head"], found["total"]["lag"]) == (0, 3, 3)
    assert statuses(totals) == found
    lines = totals("projections").out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "balance", "total"]


def test_a_rebuild_makes_rows_anew(account: Terminal) -> None:
    account("read", "balance")
    change(account.folder / "bank.read.db", "update balance set balance = 1000000")
    assert account("read", "balance", "ACC1", "--json").json["row"]["balance"] == 1_000_000
    answer = account("rebuild", "balance")
    assert answer.out.startswith("balance: rebuilt, at position 3, in ")
    assert account("read", "balance", "ACC1", "--json").json["row"]["balance"] == 70


@pytest.mark.parametrize("chosen", [("--key", "ACC1"), ("--where", "owner=alice")])
def test_some_rows_are_made_anew_in_place(account: Terminal, chosen: tuple[str, str]) -> None:
    account("send", "OpenAccount", "account_id=ACC2", "owner=bob")
    account("read", "balance")
    change(account.folder / "bank.read.db", "update balance set balance = 1000000")
    answer = account("rebuild", "balance", *chosen)
    assert answer.out == "balance: 1 row folded afresh, 1 written\n"
    rows = account("read", "balance", "--json").json["rows"]
    assert {one["account_id"]: one["balance"] for one in rows} == {"ACC1": 70, "ACC2": 1_000_000}
    again = account("rebuild", "balance", *chosen, "--json").json
    assert again == [{"name": "balance", "position": 4, "rows": 1, "written": 0}]


def test_a_live_rebuild_follows_the_log_meanwhile(totals: Terminal) -> None:
    totals("rebuild", "balance")
    assert statuses(totals)["total"]["state"] == "new"
    totals("rebuild", "balance", "--live")
    assert statuses(totals)["total"]["state"] != "new"


def test_one_process_is_enough_for_sqlite(account: Terminal) -> None:
    answer = account("rebuild", "balance", "--workers", "4")
    assert answer.out.startswith("balance: rebuilt, at position 3, in ")
    assert answer.err == "balance is made anew by one process: its database has one writer\n"


def test_all_are_rebuilt_one_after_the_other(totals: Terminal) -> None:
    found = totals("rebuild", "--all", "--json").json
    assert [(one["name"], one["position"], one["parked"]) for one in found] == [
        ("balance", 3, 0),
        ("total", 3, 0),
    ]
    assert all({*one} == {"name", "position", "parked", "seconds"} for one in found)
    assert totals("read", "total", "EUR", "--json").json["row"]["deposited"] == 100


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "which one? Name a read model, or say --all"),
        (("balance", "--all"), "which one?"),
        (("blance",), "no read model is called 'blance'. Did you mean balance?"),
        (("--all", "--key", "ACC1"), "--key and --where make some rows of one read model anew"),
        (("balance", "--key", "ACC1", "--live"), "--key and --where make some rows"),
        (("balance", "--where", "owner=alice", "--workers", "2"), "--key and --where make some"),
        (("balance", "--workers", "0"), "--workers"),
    ],
)
def test_a_rebuild_must_say_of_what(
    account: Terminal, words: tuple[str, ...], problem: str
) -> None:
    assert problem in account("rebuild", *words, code=2).err


def test_a_healthy_bank_is_said_to_be_well(account: Terminal) -> None:
    account("read", "balance")
    answer = account("doctor")
    assert {line[:4] for line in answer.out.splitlines()} == {"ok  "}
    assert answer.err == "all is well\n"
    found = findings(account)
    assert found["events"]["says"] == "3 events of 3 types readable"
    assert found["read model balance"]["says"] == "up to date at position 3"
    assert all({*one} == {"name", "level", "says", "remedy"} for one in found.values())


def test_rows_that_are_not_there_yet_are_no_problem(account: Terminal) -> None:
    found = findings(account)["read model balance"]
    assert (found["level"], found["says"]) == ("note", "not made yet")
    assert "      -> `whence worker` or any `read` makes it" in account("doctor").out


def test_rows_that_are_late_are_no_problem(account: Terminal) -> None:
    account("read", "balance")
    account("send", "DepositMoney", "account_id=ACC1", "amount=1")
    found = findings(account)["read model balance"]
    assert (found["level"], found["says"]) == ("note", "at position 3, 1 behind")


ELSEWHERE = """
from bank import Account, Balance, MoneyDeposited
from whence import App, ReadModel, evolve

class Live(ReadModel, kind="live"):
    account_id: str
    times: int = 0

    @evolve
    def _(self, event: MoneyDeposited) -> None:
        self.times += 1

class Away(Live, database="sqlite:///away.db"):
    pass

app = App("elsewhere", Account, Balance, Live, Away, store="sqlite:///bank.db")
"""


def test_rows_in_another_database_and_in_none_are_examined(account: Terminal) -> None:
    save(account.folder, "elsewhere.py", ELSEWHERE)
    account("--app", "elsewhere:app", "read", "away")
    account("--app", "elsewhere:app", "projections", "pause", "balance")
    answer = account("--app", "elsewhere:app", "doctor")
    assert "ok    read model away: up to date at position 3" in answer.out
    assert "note  read model balance: is paused" in answer.out
    assert "      -> `whence projections resume balance` lets it go on" in answer.out


def test_rows_that_have_seen_more_than_is_stored_are_a_problem(account: Terminal) -> None:
    account("read", "balance")
    for file in account.folder.glob("bank.db*"):
        file.unlink()
    account("send", "OpenAccount", "account_id=ACC1", "owner=bob")
    found = findings(account, code=9)["read model balance"]
    assert found["says"] == "has seen position 3, but the log ends at 1"
    assert "delete the database of the read models" in found["remedy"]
    for words, code in ((("read", "balance"), 9), (("rebuild", "balance"), 8)):
        answer = account(*words, code=code)
        assert "balance has seen everything up to position 3, but the log ends at 1" in answer.err
        assert "Delete the database of the read models, and they are made anew" in answer.err
    for file in account.folder.glob("bank.read.db*"):
        file.unlink()
    assert account("read", "balance", "ACC1", "--json").json["row"]["owner"] == "bob"
    assert findings(account)["read model balance"]["says"] == "up to date at position 1"


def test_a_fold_that_fails_holds_up_its_own_rows_and_is_named(totals: Terminal) -> None:
    save(totals.folder, "broken.py", TOTALS.replace("FACTOR", "/ 0"))
    answer = totals("--app", "broken:app", "read", "total", code=9)
    assert "total stands still at position " in answer.err
    assert (
        "cannot handle the 'MoneyDeposited' at position 2 (account-ACC1 version 2)" in answer.err
    )
    assert "ZeroDivisionError" in answer.err
    assert "The store is sqlite:///bank.db." in answer.err
    assert totals("--app", "broken:app", "read", "balance", "--json").json["count"] == 1


def test_an_application_that_cannot_be_imported_is_a_finding(account: Terminal) -> None:
    save(account.folder, "unfinished.py", "app = App('bank'")
    answer = account("--app", "unfinished:app", "doctor", code=9)
    assert "FAIL  application: unfinished cannot be imported: SyntaxError" in answer.out
    assert answer.err == "1 problem\n"


def test_without_a_store_there_is_one_problem(bank: Terminal) -> None:
    answer = bank("doctor", code=9)
    assert "FAIL  store: there is no store at sqlite:///bank.db yet" in answer.out
    assert list(bank.folder.iterdir()) == []
