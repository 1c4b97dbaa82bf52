"""`whence send`: what is typed becomes a command, or says what is wrong with it."""

import json

import pytest

from .terminal import Terminal, shape

OPEN = ("send", "OpenAccount", "account_id=ACC1", "owner=alice")
RECEIPT = {
    "position": "int",
    "versions": {"account-ACC1": "int"},
    "events": ["str"],
    "duplicate": "bool",
}


def test_people_read_what_was_done_in_a_sentence(bank: Terminal) -> None:
    answer = bank(*OPEN)
    assert answer.out == "done: 1 event, position 1; account-ACC1 is at version 1\n"
    assert answer.err == ""


def test_programs_get_the_receipt(bank: Terminal) -> None:
    receipt = bank(*OPEN, "--json").json
    assert shape(receipt) == RECEIPT
    assert (receipt["position"], receipt["duplicate"]) == (1, False)


def test_the_same_id_is_applied_once(account: Terminal) -> None:
    deposit = ("send", "DepositMoney", "account_id=ACC1", "amount=5", "--id", "form-17")
    first, second = account(*deposit), account(*deposit)
    assert first.out.startswith("done: 1 event")
    assert second.out.startswith("had been done before, position 4;")
    assert account(*deposit, "--json").json["duplicate"] is True


def test_who_sent_it_is_kept(account: Terminal) -> None:
    _, deposit, _ = account("show", "account-ACC1", "--json").lines
    assert deposit["metadata"] == {"command": "DepositMoney", "by": "employer"}


def test_who_saw_the_latest_version_goes_on(account: Terminal) -> None:
    withdraw = ("send", "WithdrawMoney", "account_id=ACC1", "amount=70", "--version")
    stale = account(*withdraw, "2", code=6)
    assert "account-ACC1 is at version 3, not 2" in stale.err
    assert "account-ACC1 3: MoneyWithdrawn" in stale.err
    assert "version 4" in account(*withdraw, "3").out


def test_what_the_domain_refuses_is_said_in_its_words(account: Terminal) -> None:
    answer = account("send", "WithdrawMoney", "account_id=ACC1", "amount=71", code=5)
    assert (answer.out, answer.err) == ("", "error: Insufficient funds\n")


def test_every_bad_field_is_named_at_once(bank: Terminal) -> None:
    answer = bank("send", "DepositMoney", "amount=-5", "colour=red", "--json", code=3)
    assert answer.error["fields"] == {
        "colour": "no such field",
        "account_id": "is missing",
        "amount": "Expected `int` >= 1",
    }
    said = bank("send", "DepositMoney", "amount=-5", "colour=red", code=3).err
    for name, problem in answer.error["fields"].items():
        assert f"{name}: {problem}" in said


@pytest.mark.parametrize(
    "words",
    [
        ("amount:=100", "account_id=ACC1"),
        ("--json-input", '{"account_id": "ACC1", "amount": 100}'),
        ("--json-input", '{"account_id": "ACC1"}', "amount=100"),
        ("--json-input", '{"account_id": "ACC1", "amount": 7}', "amount=100"),
    ],
)
def test_fields_are_text_or_json(bank: Terminal, words: tuple[str, ...]) -> None:
    bank(*OPEN)
    bank("send", "DepositMoney", *words)
    assert bank("read", "balance", "ACC1", "--json").json["row"]["balance"] == 100


def test_a_command_may_come_from_a_pipe(bank: Terminal) -> None:
    given = json.dumps({"account_id": "ACC1", "owner": "zoë = «alice»"})
    bank("send", "OpenAccount", "--json-input", "-", given=given)
    row = bank("read", "balance", "ACC1", "--json").json["row"]
    assert row["owner"] == "zoë = «alice»"


def test_json_is_taken_at_its_word(bank: Terminal) -> None:
    text = '{"account_id": "ACC1", "amount": "100"}'
    answer = bank("send", "DepositMoney", "--json-input", text, code=3)
    assert "amount: Expected `int`, got `str`" in answer.err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("OpenAcount",), "Did you mean OpenAccount? There are: DepositMoney, OpenAccount"),
        (("OpenAccount", "account_id"), "'account_id' is no field: write name=value"),
        (("OpenAccount", "=ACC1"), "'=ACC1' is no field"),
        (("DepositMoney", "amount:=many"), "the value of amount is not JSON"),
        (("DepositMoney", "amount:=many"), "amount=many says it as text"),
        (("DepositMoney", "amount=1", "amount=2"), "amount is said twice: say it once"),
        (("DepositMoney", "amount=1", "amount:=2"), "amount is said twice: say it once"),
        (("OpenAccount", "--json-input", "{"), "--json-input is not JSON"),
        (("OpenAccount", "--json-input", "[1]"), "--json-input takes an object"),
        (("OpenAccount", "--version", "-1"), "--version"),
        (("OpenAccount", "--version", "first"), "--version"),
        (("OpenAccount", "--when", "now"), "Unknown option: --when"),
        ((), "COMMAND"),
    ],
)
def test_what_cannot_be_understood_says_how_to_write_it(
    bank: Terminal, words: tuple[str, ...], problem: str
) -> None:
    answer = bank("send", *words, code=2)
    assert answer.err.startswith("error: ")
    assert problem in answer.err


def test_a_list_is_written_as_json(terminal: Terminal) -> None:
    order = ("--app", "restaurant:app", "send", "PlaceOrder", "table_id=T1", "order_id=O1")
    for said in ("dishes=soup", 'dishes=["soup"]'):
        err = terminal(*order, said, code=3).err
        assert err.endswith("\ndishes is written as JSON: dishes:=[...] or dishes:={...}\n")
    assert "Nobody sits at table T1" in terminal(*order, 'dishes:=["soup"]', code=5).err


def test_what_is_wrong_with_a_text_names_the_text(bank: Terminal) -> None:
    for amount in ("much", "1.5", "NaN"):
        err = bank("send", "DepositMoney", f"amount={amount}", code=3).err
        assert f"amount: Expected `int`, got '{amount}'" in err


@pytest.mark.parametrize("words", [("OpenAcount",), ("OpenAccount",), ("OpenAccount", "owner")])
def test_what_is_no_command_makes_no_store(bank: Terminal, words: tuple[str, ...]) -> None:
    bank("send", *words, code=3 if words == ("OpenAccount",) else 2)
    assert list(bank.folder.iterdir()) == []
