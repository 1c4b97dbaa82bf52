"""What goes wrong in the code of an application is told by its own lines, without ours."""

from functools import partial
from pathlib import Path

import pytest

from .terminal import Terminal, save

SHOP = """
from whence import Aggregate, App, ReadModel, command, decide, event, evolve


@event
class Sold:
    shop_id: str


@command
class Sell:
    shop_id: str


class Shop(Aggregate):
    @decide
    def sell(self, command: Sell):
        yield Sold(self.id)


class Sales(ReadModel):
    shop_id: str
    count: int = 0

    @evolve
    def sold(self, event: Sold):
        self.count += 1


app = App("shop", Shop, Sales)
"""
SELL = ("--app", "shop:app", "send", "Sell", "shop_id=S1")


def line_of(text: str, shop: str) -> int:
    return 1 + next(number for number, line in enumerate(shop.split("\n")) if text in line)


def where(terminal: Terminal) -> Path:
    return terminal.folder / "shop.py"


@pytest.mark.parametrize(
    ("good", "bad", "kind", "line"),
    [
        ("yield Sold(self.id)", "yield Sold()", "TypeError: Sold.__init__() missing", "yield"),
        ("yield Sold(self.id)", '{}["x"]; yield', "KeyError: 'x'", '{}["x"]'),
    ],
)
def test_a_decision_that_fails(
    terminal: Terminal, good: str, bad: str, kind: str, line: str
) -> None:
    shop = SHOP.replace(good, bad)
    save(terminal.folder, "shop.py", shop)
    said = terminal(*SELL, code=1).err.splitlines()
    assert said[0].startswith(f"error: {kind}")
    assert said[1:] == [f"  {where(terminal)}:{line_of(bad, shop)}: {bad}"]
    assert line in said[1]


@pytest.mark.parametrize(
    ("good", "bad", "problem"),
    [
        ("def sold(self, event: Sold)", "def sold(self, event: Sol)", "NameError: name 'Sol'"),
        ('App("shop", Shop, Sales)', 'App("shop", Shop(), Sales)', "TypeError: "),
        ('App("shop", Shop, Sales)', 'App("shop" Shop, Sales)', "SyntaxError: invalid syntax"),
        ("from whence import", "import nonsense; from whence import", "ModuleNotFoundError: "),
    ],
)
def test_a_module_that_cannot_be_imported(
    terminal: Terminal, good: str, bad: str, problem: str
) -> None:
    shop = SHOP.replace(good, bad)
    save(terminal.folder, "shop.py", shop)
    said = terminal(*SELL, code=2).err.splitlines()
    assert said[0].startswith(f"error: shop cannot be imported: {problem}")
    assert said[-1].startswith(f"  {where(terminal)}:{line_of(bad, shop)}: ")
    assert said[-1].endswith(shop.split("\n")[line_of(bad, shop) - 1].strip())
    error = terminal(*SELL, "--json", code=2).error
    assert error["kind"] == "UsageError"
    assert problem in error["message"]


def test_a_mistake_of_whence_itself_is_told_in_full(
    bank: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whence.cli.session.settings", partial(int, "ours"))
    err = bank("config", code=1).err
    assert err.startswith("Traceback")
    assert err.endswith("ValueError: invalid literal for int() with base 10: 'ours'\n")


def test_a_module_that_runs_itself_is_told_how_not_to(terminal: Terminal) -> None:
    shop = SHOP + "\nimport asyncio\nasync def main(): pass\nasyncio.run(main())\n"
    save(terminal.folder, "shop.py", shop)
    err = terminal.process(*SELL, code=2).err  # Python also warns that nobody awaits it
    assert 'put that under `if __name__ == "__main__":`' in err
    assert f"{where(terminal)}:{line_of('asyncio.run', shop)}: asyncio.run(main())" in err


@pytest.mark.parametrize(
    ("spec", "remedy"),
    [
        ("shop.py:app", "is a file: name the module, as in shop:app"),
        ("shop.py", "is a file: name the module, as in shop:app"),
        ("./shop:app", "is a file: name the module, as in shop:app"),
        ("src/shop.py:app", "is a file: name the module, as in src.shop:app"),
        ("shop", "write module:name"),
        ("shop:", "write module:name"),
        (":app", "write module:name"),
        (":", "write module:name"),
        ("shpo:app", "there is no module 'shpo' here or installed"),
        ("shpo:app", "is shpo in another folder?"),
        ("shop:ap", "the module shop has no 'ap'"),
    ],
)
def test_a_name_of_an_application_that_is_none(terminal: Terminal, spec: str, remedy: str) -> None:
    save(terminal.folder, "shop.py", SHOP)
    err = terminal("--app", spec, *SELL[2:], code=2).err
    assert err.startswith("error: ")
    assert remedy in err


def test_a_fold_that_fails_says_where(terminal: Terminal) -> None:
    shop = SHOP.replace("self.count += 1", "self.count += 1 / 0")
    save(terminal.folder, "shop.py", shop)
    terminal(*SELL)
    err = terminal("--app", "shop:app", "read", "sales", code=9).err
    assert f"division by zero at {where(terminal)}:{line_of('1 / 0', shop)}\n" in err


def test_an_application_without_aggregates_is_told_so(terminal: Terminal) -> None:
    save(terminal.folder, "shop.py", SHOP.replace("Shop, Sales)", "Sales)"))
    err = terminal(*SELL, code=2).err
    assert "no command is called 'Sell': there is none yet. Pass the aggregates" in err


@pytest.mark.parametrize("words", [("projections", "status"), ("doctor", "bank:app")])
def test_what_a_command_does_not_take_is_said(bank: Terminal, words: tuple[str, str]) -> None:
    command, extra = words
    err = bank(*words, code=2).err
    assert (
        err == f"error: `whence {command}` does not take '{extra}'. See whence {command} --help\n"
    )
