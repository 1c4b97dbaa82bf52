"""`whence verify`: find and repair what was done to rows by hand."""

import sqlite3

from .terminal import Terminal


def by_hand(statement: str) -> None:
    """What somebody does who should not."""
    connection = sqlite3.connect("bank.read.db")
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_row_that_was_changed(account: Terminal) -> None:
    account("read", "balance")
    account("verify")
    by_hand("update balance set balance = 7")
    found = account("verify", "balance", code=9)
    assert "balance: 7 -> 70" in found.out
    assert "1 differs: --repair writes them" in found.out
    assert "all repaired" in account("verify", "balance", "--repair").out
    account("verify", "--all")


def test_as_json(account: Terminal) -> None:
    account("read", "balance")
    by_hand("delete from balance")
    (found,) = account("verify", "balance", "--json", code=9).json
    assert (found["found"], found["in_sync"]) == (1, False)
    (difference,) = found["differences"]
    assert difference["kind"] == "missing"
    types = [event["type"] for event in difference["events"]]
    assert types == ["AccountOpened", "MoneyDeposited", "MoneyWithdrawn"]


def test_one_key(account: Terminal) -> None:
    account("read", "balance")
    by_hand("update balance set balance = 7")
    account("verify", "balance", "--key", "nobody")
    account("verify", "balance", "--key", "ACC1", code=9)


def test_what_makes_no_sense(account: Terminal) -> None:
    for said in ("nothing", "--key ACC1", "--sample 0", "--sample 5 --all"):
        account("verify", *said.split(), code=2)
