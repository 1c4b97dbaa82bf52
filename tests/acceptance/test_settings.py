"""Which application, which store: said on the command line, in the environment or in a file."""

import pytest

from whence.config import NAMES

from .terminal import Terminal, save


def chosen(terminal: Terminal, *words: str) -> dict[str, tuple[str, str]]:
    """Each setting's value and source."""
    found = terminal(*words, "config", "--json").json
    assert all({*one} == {"name", "value", "source"} for one in found.values())
    return {name: (one["value"], one["source"]) for name, one in found.items()}


@pytest.fixture(params=["whence.toml", "pyproject.toml"])
def file(request: pytest.FixtureRequest, terminal: Terminal) -> str:
    """A file that says that the bank is meant, and a store."""
    lines = ['app = "bank:app"', 'store = "sqlite:///file.db"']
    if request.param == "pyproject.toml":
        lines = ["[project]", 'name = "mine"', "[tool.whence]", *lines]
    return str(save(terminal.folder, request.param, lines))


def test_a_file_says_which_application_and_store(terminal: Terminal, file: str) -> None:
    assert chosen(terminal) == {
        "app": ("bank:app", file),
        "store": ("sqlite:///file.db", file),
    }
    terminal("send", "OpenAccount", "account_id=ACC1", "owner=alice")
    assert (terminal.folder / "file.db").exists()
    assert terminal("read", "balance", "--json").json["count"] == 1


def test_a_file_holds_for_the_folders_below(
    terminal: Terminal, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = terminal.folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert chosen(terminal)["app"] == ("bank:app", file)


def test_the_environment_wins_over_a_file_and_the_command_line_over_both(
    terminal: Terminal, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHENCE_STORE", "sqlite:///environment.db")
    assert chosen(terminal)["store"] == ("sqlite:///environment.db", "WHENCE_STORE")
    said = chosen(terminal, "--store", "sqlite:///said.db", "--app", "restaurant:app")
    assert said["store"] == ("sqlite:///said.db", "--store")
    assert said["app"] == ("restaurant:app", "--app")


def test_without_any_the_application_says_where_it_keeps_its_events(terminal: Terminal) -> None:
    assert chosen(terminal, "--app", "bank:app")["store"] == ("sqlite:///bank.db", "default")
    assert chosen(terminal) == {}


def test_options_may_stand_before_the_command_or_after_it(terminal: Terminal) -> None:
    opened = ("OpenAccount", "account_id=ACC1", "owner=alice")
    terminal("--app", "bank:app", "--store", "sqlite:///x.db", "send", *opened)
    words = ("streams", "--store", "sqlite:///x.db", "--json", "--app", "bank:app")
    assert terminal(*words).lines == [{"stream": "account-ACC1", "version": 1}]


def test_read_models_may_be_kept_elsewhere(bank: Terminal) -> None:
    bank("send", "OpenAccount", "account_id=ACC1", "owner=alice")
    bank("--read", "sqlite:///rows.db", "read", "balance")
    assert (bank.folder / "rows.db").exists()


def test_people_are_told_what_each_setting_means(bank: Terminal) -> None:
    lines = bank("config").out.splitlines()
    assert [line.split()[0] for line in lines] == ["setting", *NAMES]
    assert "WHENCE_APP" in lines[1]


def test_a_password_is_not_shown(bank: Terminal) -> None:
    url = "postgresql://me:secret@example.org/bank"
    assert "secret" not in bank("--read", url, "config").out
    assert "me:***@example.org" in bank("--read", url, "config").out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("read", "balance"), "which application? Say --app module:name, set WHENCE_APP, or"),
        (("--app", "bank", "read", "balance"), "write module:name"),
        (("--app", "bnk:app", "read", "balance"), "there is no module 'bnk' here or installed"),
        (("--app", "bank:ap", "read", "balance"), "the module bank has no 'ap'"),
        (("--app", "bank:Account", "read", "balance"), "bank:Account is a type, not an App"),
        (("--store", "bank.db", "streams"), "no store is called 'bank.db': use memory://"),
        (("--store", "mysql://x/y", "streams"), "no store is called 'mysql://x/y'"),
        (("streams",), "which store? Say --store URL, or name an application with --app"),
        (("snd", "OpenAccount"), 'Unknown command "snd". Did you mean "send"?'),
        (("--colour", "red", "streams"), "--colour"),
    ],
)
def test_what_is_not_said_or_wrongly_is_asked_for(
    terminal: Terminal, words: tuple[str, ...], problem: str
) -> None:
    assert problem in terminal(*words, code=2).err
    assert list(terminal.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('tset = "x"', "no setting is called 'tset'; known: app"),
        ("app = [", "whence.toml: "),
        ('app = "bank:app"\ntimeout = "soon"', "timeout is not a number: 'soon'"),
    ],
)
def test_a_file_that_is_wrong_is_named(terminal: Terminal, text: str, problem: str) -> None:
    terminal("--app", "bank:app", "send", "OpenAccount", "account_id=ACC1", "owner=alice")
    file = save(terminal.folder, "whence.toml", text)
    answer = terminal("read", "balance", code=2)
    assert problem in answer.err
    assert str(file) in answer.err
