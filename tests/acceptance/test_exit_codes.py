"""Every exit code that is documented really happens, and says to programs what to people."""

from collections.abc import Callable
from pathlib import Path

import pytest

from whence.cli import exits
from whence.cli.commands import COMMANDS

from .terminal import Answer, Terminal, save, stop

DOCS = Path(__file__).parents[2] / "docs"

SHOP = """
import asyncio

from whence import Aggregate, App, Forbidden, command, decide, event, query
from whence.errors import Unknown


@event
class Sold:
    shop_id: str


@command
class Sell:
    shop_id: str


@command
class Burn:
    shop_id: str


@query
class Wait:
    seconds: int


class Shop(Aggregate):
    @decide
    def sell(self, command: Sell):
        yield Sold(self.id)

    @decide
    def burn(self, command: Burn):
        raise ZeroDivisionError("the shop has burnt down")


app = App("shop", Shop)
guarded = App("shop", Shop, authorize=lambda context: context.by == "owner")
far_away = App("shop", Shop)


@far_away.use
async def bad_line(context, call_next):
    await call_next(context)
    raise Unknown(context.id, "the line went dead")


@app.answers
async def wait(query: Wait, app: App) -> str:
    print("waiting", flush=True)
    await asyncio.sleep(query.seconds)
    return "done"
"""


@pytest.fixture
def shop(terminal: Terminal) -> Terminal:
    save(terminal.folder, "shop.py", SHOP)
    return terminal


Situation = Callable[[Terminal, tuple[str, ...]], Answer]


def done(shop: Terminal, more: tuple[str, ...]) -> Answer:
    return shop("--app", "shop:app", "send", "Sell", "shop_id=S1", *more)


def failed(shop: Terminal, more: tuple[str, ...]) -> Answer:
    return shop("--app", "shop:app", "send", "Burn", "shop_id=S1", *more, code=1)


def misused(shop: Terminal, more: tuple[str, ...]) -> Answer:
    return shop("--app", "shop:app", "send", "Sel", "shop_id=S1", *more, code=2)


def invalid(shop: Terminal, more: tuple[str, ...]) -> Answer:
    return shop("--app", "shop:app", "send", "Sell", "shop=S1", *more, code=3)


def forbidden(shop: Terminal, more: tuple[str, ...]) -> Answer:
    return shop("--app", "shop:guarded", "send", "Sell", "shop_id=S1", *more, code=4)


def rejected(shop: Terminal, more: tuple[str, ...]) -> Answer:
    command = ("send", "WithdrawMoney", "account_id=A", "amount=1")
    return shop("--app", "bank:app", *command, *more, code=5)


def overtaken(shop: Terminal, more: tuple[str, ...]) -> Answer:
    done(shop, ())
    command = ("send", "Sell", "shop_id=S1", "--version", "0")
    return shop("--app", "shop:app", *command, *more, code=6)


def missing(shop: Terminal, more: tuple[str, ...]) -> Answer:
    return shop("--app", "shop:app", "show", "shop-S1", *more, code=7)


def foreign(shop: Terminal, more: tuple[str, ...]) -> Answer:
    save(shop.folder, "shop.db", "my shopping list")
    return shop("--app", "shop:app", "streams", *more, code=8)


def behind(shop: Terminal, more: tuple[str, ...]) -> Answer:
    shop("--app", "bank:app", "send", "OpenAccount", "account_id=A", "owner=alice")
    save(shop.folder, "whence.toml", "timeout = 0.1")
    return shop("--app", "bank:app", "read", "balance", "--after", "99", *more, code=9)


def unknown(shop: Terminal, more: tuple[str, ...]) -> Answer:
    return shop("--app", "shop:far_away", "send", "Sell", "shop_id=S1", *more, code=10)


def interrupted(shop: Terminal, more: tuple[str, ...]) -> Answer:
    done(shop, ())
    asking = shop.start("--app", "shop:app", "ask", "Wait", "seconds=60", *more)
    assert asking.stdout is not None
    assert asking.stdout.readline() == "waiting\n"
    return stop(asking)


SITUATIONS: dict[int, tuple[Situation, str, str]] = {
    1: (failed, "ZeroDivisionError", "the shop has burnt down"),
    2: (misused, "UsageError", "no command is called 'Sel'. Did you mean Sell?"),
    3: (invalid, "Invalid", "shop: no such field; shop_id: is missing"),
    4: (forbidden, "Forbidden", "an unnamed sender may not Sell"),
    5: (rejected, "Rejected", "Insufficient funds"),
    6: (overtaken, "Stale", "shop-S1 is at version 1, not 0"),
    7: (missing, "NotFound", "there is no store at sqlite:///shop.db yet"),
    8: (foreign, "ForeignStore", "shop.db is not a SQLite file"),
    9: (behind, "Behind", "balance has reached position 1, not yet 99"),
    10: (unknown, "Unknown", "Send the same command with the same id again"),
}
"""By exit code: how it comes to it, and what is then said."""


def test_these_are_all_that_there_are() -> None:
    assert {*SITUATIONS, exits.DONE, exits.INTERRUPTED} == {*exits.MEANINGS}


def test_the_page_of_the_command_line_has_the_same_table() -> None:
    assert exits.table() in (DOCS / "howto/command-line.md").read_text()


@pytest.mark.parametrize("code", SITUATIONS)
def test_people_are_told_in_a_sentence(shop: Terminal, code: int) -> None:
    situation, _, says = SITUATIONS[code]
    answer = situation(shop, ())
    assert says in answer.err
    assert answer.out == ""
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("code", SITUATIONS)
def test_programs_are_told_in_json(shop: Terminal, code: int) -> None:
    situation, kind, says = SITUATIONS[code]
    answer = situation(shop, ("--json",))
    error = answer.error
    assert error["kind"] == kind
    assert says in error["message"]
    assert answer.out == ""


def test_what_went_well_ends_with_0(shop: Terminal) -> None:
    assert done(shop, ()).err == ""


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_ctrl_c_ends_with_130_and_no_traceback(shop: Terminal, more: tuple[str, ...]) -> None:
    answer = interrupted(shop, more)
    assert (answer.code, answer.out, answer.err) == (130, "", "")


def test_an_error_says_its_numbers_to_programs(shop: Terminal) -> None:
    assert invalid(shop, ("--json",)).error["fields"] == {
        "shop": "no such field",
        "shop_id": "is missing",
    }
    stale = overtaken(shop, ("--json",)).error
    assert (stale["expected"], stale["actual"]) == ({"shop-S1": 0}, {"shop-S1": 1})
    assert stale["events"] == [{"position": 1, "stream": "shop-S1", "version": 1, "type": "Sold"}]


def test_an_unknown_outcome_is_learnt_by_sending_again(shop: Terminal) -> None:
    commit = unknown(shop, ("--json",)).error["commit_id"]
    again = shop("--app", "shop:far_away", "send", "Sell", "shop_id=S1", "--id", commit, "--json")
    assert again.json["duplicate"] is True
    assert shop("--app", "shop:app", "streams", "--json").lines == [
        {"stream": "shop-S1", "version": 1}
    ]


def test_the_page_of_the_command_line_lists_every_command() -> None:
    page = (DOCS / "howto/command-line.md").read_text()
    assert [name for name, _, _ in COMMANDS if f"\n| `whence {name}` | " not in page] == []
