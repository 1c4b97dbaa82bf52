"""`whence read` and `whence ask`: answers that are up to date with all that is stored."""

import pytest

from .terminal import Terminal, save, shape

ROW = {"account_id": "ACC1", "owner": "alice", "balance": 70, "version": 3}


@pytest.fixture
def accounts(account: Terminal) -> Terminal:
    """Two more: bob with 20, and another alice with nothing."""
    account("send", "OpenAccount", "account_id=ACC2", "owner=bob")
    account("send", "DepositMoney", "account_id=ACC2", "amount=20")
    account("send", "OpenAccount", "account_id=ACC3", "owner=alice")
    return account


def keys(terminal: Terminal, *words: str) -> list[str]:
    rows = terminal("read", "balance", *words, "--json").json["rows"]
    return [row["account_id"] for row in rows]


def test_rows_are_a_table(account: Terminal) -> None:
    answer = account("read", "balance")
    assert [line.split() for line in answer.out.splitlines()] == [
        ["account_id", "owner", "balance", "version"],
        ["ACC1", "alice", "70", "3"],
    ]
    assert answer.err == "1 row of balance as of position 3\n"


def test_programs_get_rows_and_how_fresh_they_are(account: Terminal) -> None:
    assert account("read", "Balance", "--json").json == {
        "model": "balance",
        "position": 3,
        "count": 1,
        "rows": [ROW],
    }


def test_one_row_is_asked_for_by_its_key(account: Terminal) -> None:
    found = account("read", "balance", "ACC1", "--json").json
    assert found == {"model": "balance", "position": 3, "row": ROW}
    lines = account("read", "balance", "ACC1").out.splitlines()
    assert [line.split() for line in lines[1:]] == [[k, str(v)] for k, v in ROW.items()]


def test_a_row_that_is_not_there_is_said_to_be_so(account: Terminal) -> None:
    answer = account("read", "balance", "ACC9", code=7)
    assert "balance has no row of 'ACC9', as of position 3" in answer.err


def test_rows_are_chosen_ordered_and_counted(accounts: Terminal) -> None:
    assert keys(accounts, "--where", "owner=alice") == ["ACC1", "ACC3"]
    assert keys(accounts, "--where", "owner=alice", "--where", "balance=0") == ["ACC3"]
    assert keys(accounts, "--order", "-balance") == ["ACC1", "ACC2", "ACC3"]
    assert keys(accounts, "--order", "owner", "--order", "-version") == ["ACC1", "ACC3", "ACC2"]
    assert keys(accounts, "--limit", "1") == ["ACC1"]
    assert keys(accounts, "--limit", "0") == ["ACC1", "ACC2", "ACC3"]
    assert "1 of 3 rows" in accounts("read", "balance", "--limit", "1").err


def test_one_s_own_write_is_seen(account: Terminal) -> None:
    deposit = ("send", "DepositMoney", "account_id=ACC1", "amount=1", "--json")
    position = account(*deposit).json["position"]
    found = account("read", "balance", "ACC1", "--after", str(position), "--json").json
    assert found["row"]["balance"] == 71
    assert found["position"] >= position


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("blance",), 2, "no read model is called 'blance'. Did you mean balance?"),
        (("balance", "--where", "colour=red"), 2, "has no column 'colour'; its columns: account_"),
        (("balance", "--order", "colour"), 2, "has no column 'colour'"),
        (("balance", "--where", "owner"), 2, "'owner' is no field: write name=value"),
        (("balance", "--where", "balance=much"), 3, "balance: Expected `int`, got 'much'"),
        (("balance", "--where", f"balance={2**64}"), 3, "no column holds a number of this size"),
        (("balance", "--limit", "-1"), 2, "Must be >= 0"),
        (("balance", "--limit", f"{2**64}"), 2, "Must be <"),
        (("balance", "--after", "-1"), 2, "Must be >= 0"),
    ],
)
def test_a_question_that_makes_no_sense_says_why(
    account: Terminal, words: tuple[str, ...], code: int, problem: str
) -> None:
    assert problem in account("read", *words, code=code).err


def test_a_query_is_asked_by_its_name(account: Terminal) -> None:
    assert account("ask", "FindAccounts", "owner=al", "--json").json == [ROW]
    table = account("ask", "FindAccounts", "--json-input", '{"owner": "al"}').out.splitlines()
    assert [line.split() for line in table][1:] == [["ACC1", "alice", "70", "3"]]


def test_a_query_may_come_from_a_pipe(account: Terminal) -> None:
    words = ("ask", "FindAccounts", "--json-input", "-", "--json")
    assert account(*words, given='{"owner": "al"}').json == [ROW]


def test_nothing_found_is_said_beside_the_answer(account: Terminal) -> None:
    answer = account("ask", "FindAccounts", "owner=zz")
    assert (answer.out, answer.err) == ("", "nothing found\n")
    assert account("ask", "FindAccounts", "owner=zz", "--json").json == []


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("FindAcounts", "owner=a"), 2, "Did you mean FindAccounts?"),
        (("FindAccounts",), 3, "owner: is missing"),
        (("FindAccounts", "owner=a", "limit=x", "by=me"), 3, "by: no such field; limit: Expected"),
    ],
)
def test_a_query_that_is_none_says_why(
    account: Terminal, words: tuple[str, ...], code: int, problem: str
) -> None:
    assert problem in account("ask", *words, code=code).err


ANSWERS = """
from whence import App, query


@query
class Count:
    to: int


app = App("counting")


@app.answers
def count(query: Count, app: App) -> object:
    return {0: None, 1: 1, 2: {"one": 1, "two": [2]}}[query.to]
"""


def test_an_answer_may_be_anything(terminal: Terminal) -> None:
    save(terminal.folder, "counting.py", ANSWERS)
    save(terminal.folder, "whence.toml", ['app = "counting:app"', 'store = "memory://"'])
    assert terminal("ask", "Count", "to=0").err == "nothing found\n"
    assert terminal("ask", "Count", "to=0", "--json").json is None
    assert terminal("ask", "Count", "to=1").out == "1\n"
    assert shape(terminal("ask", "Count", "to=2", "--json").json) == {"one": "int", "two": ["int"]}
    assert terminal("ask", "Count", "to=2").out.split() == [
        "field",
        "value",
        "one",
        "1",
        "two",
        "[2]",
    ]
