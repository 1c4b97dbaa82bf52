"""`whence --help` and each command's own: every word of the command line is explained."""

import re
from importlib.metadata import version

import pytest

from whence.cli import exits
from whence.cli.commands import COMMANDS, build

from .terminal import Terminal

NAMES = [name for name, _, _ in COMMANDS]
EVERYWHERE = ["--app", "--store", "--read", "--json"]


def commands() -> list[tuple[str, ...]]:
    """Every command, also those below another."""
    app = build(all=True)
    found: list[tuple[str, ...]] = [(name,) for name in NAMES]
    for name in NAMES:
        found += [(name, inner) for inner in app[name] if not inner.startswith("-")]
    return found


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_the_first_page_names_every_command_option_and_exit_code(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    page = terminal(*words).out
    for name in NAMES:
        assert re.search(rf"^│ {name} +[A-Z]\w+", page, re.MULTILINE), name
    for option in EVERYWHERE:
        assert option in page
    for code, meaning in exits.MEANINGS.items():
        assert re.search(rf"^ {code} +{re.escape(meaning)} *$", page, re.MULTILINE), code


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_explains_itself_and_its_parameters(
    terminal: Terminal, words: tuple[str, ...]
) -> None:
    page = terminal(*words, "--help").out
    assert page.startswith(f"Usage: whence {' '.join(words)}")
    assert re.search(r"^[A-Z][^│]+[.:]", page, re.MULTILINE), "a sentence"
    assert "exit code  meaning" not in page, "said once, on the first page"
    for option in EVERYWHERE:
        assert option in page
    for line in page.splitlines():
        assert not re.fullmatch(r"│ (\* +)?[A-Z]*( ?--?[a-z-]+)* *[A-Z.]* *│", line), line
        assert "--no-" not in line
        assert "--empty-" not in line


def test_the_version_is_that_of_the_package(terminal: Terminal) -> None:
    assert terminal("--version").out == f"whence {version('whence')}\n"


def test_it_can_be_called_as_a_module_too(terminal: Terminal) -> None:
    assert terminal.process("--version").out == f"whence {version('whence')}\n"


def test_help_is_not_wider_than_a_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words in [(), *commands()]:
        page = terminal(*words, "--help").out
        assert max(map(len, page.splitlines())) <= 80, words
