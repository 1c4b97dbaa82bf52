"""`whence demo`: the story is true, and everything that it says to try next works."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .terminal import Terminal, person

ROOT = Path(__file__).parents[2]
STEPS = [*"123456789", "A", "B", "?", "!", "!"]


def test_the_story_goes_through_all_nine_steps(terminal: Terminal) -> None:
    told = terminal("demo", "--json").json
    assert {*told} == {"store", "account", "steps", "next"}
    assert [step["step"] for step in told["steps"]] == STEPS
    assert all({*step} == {"step", "title", "facts"} for step in told["steps"])


def test_what_the_story_tells_is_in_the_store(bank: Terminal) -> None:
    told = bank("demo", "--json").json
    facts = {step["step"]: step["facts"] for step in told["steps"]}
    assert facts["1"] == {"command": {"account_id": "ACC1", "amount": 30}, "by": "alice"}
    assert facts["6"]["receipt"]["versions"] == {"account-ACC1": 3}
    assert facts["6"]["duplicate"] is True
    assert (facts["8"]["before"]["balance"], facts["8"]["after"]["balance"]) == (100, 70)
    looked = ("--store", told["store"], "show", "account-ACC1", "--json")
    assert [event["type"] for event in bank(*looked).lines] == [
        "AccountOpened",
        "MoneyDeposited",
        "MoneyWithdrawn",
        "MoneyDeposited",
    ]


def test_people_read_it_in_lines_that_fit(terminal: Terminal) -> None:
    answer = terminal("demo")
    assert answer.err == ""
    story, tour = answer.out.split("\n >  Now you")
    # The path of the store may be long; nothing else is.
    assert max(len(line) for line in story.splitlines()[2:]) <= 100
    for number in STEPS[:11]:
        assert f"\n {number}  " in story
    assert "Then read README.md, and the tutorial in docs/tutorial/index.md." in tour
    assert (ROOT / "README.md").exists()
    assert (ROOT / "docs/tutorial/index.md").exists()


def test_the_demo_may_be_played_again_on_the_same_store(terminal: Terminal) -> None:
    words = ("demo", "--store", "sqlite:///mine.db", "--json")
    assert terminal(*words).json["account"] == "ACC1"
    assert terminal(*words).json["account"] == "ACC2"


def test_a_store_that_forgets_leaves_nothing_to_try(terminal: Terminal) -> None:
    *_, last = terminal("demo", "--store", "memory://", "--json").json["next"]
    assert last.endswith("whence --help")
    assert "WHENCE_STORE" not in terminal("demo", "--store", "memory://").out


def test_a_bank_of_one_s_own_is_not_in_the_way(terminal: Terminal) -> None:
    (terminal.folder / "bank.py").write_text("raise SystemExit('not this one')")
    assert terminal.process("demo", "--json").json["account"] == "ACC1"


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, int]]:
    """Each command that the demo says to try, what it printed when pasted, and its exit code."""
    folder = tmp_path_factory.mktemp("tour")
    whence = Path(sys.executable).with_name("whence")
    environment = {n: v for n, v in person().items() if not n.startswith("WHENCE_")}
    environment["TMPDIR"] = str(folder)
    told = subprocess.run(
        [str(whence), "demo"], cwd=folder, env=environment, capture_output=True, text=True
    )
    _, _, end = told.stdout.partition("Now you")
    commands = [line.strip() for line in end.splitlines() if line.startswith("      ")]
    script = "".join(f'{c}\necho "=== $? ==="\n' for c in commands)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    *printed, rest = done.stdout.split(" ===\n")
    assert rest == ""
    parts = [one.rpartition("=== ") for one in printed]
    return [(c, said, int(code)) for c, (said, _, code) in zip(commands, parts, strict=True)]


def test_everything_that_it_says_to_try_works_when_it_is_pasted(
    tour: list[tuple[str, str, int]],
) -> None:
    assert [code for command, _, code in tour if "amount=1000" not in command] == [0] * 11
    assert all(said for command, said, _ in tour if not command.startswith("export "))
    assert not any("Traceback" in said for _, said, _ in tour)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("amount=1000", "error: Insufficient funds\n"),
        ("amount=25", "done: 1 event, position 5; account-ACC1 is at version 5\n"),
        ("read balance", "ACC1        alice      100        5\n"),
        ("history account-ACC1 --at 2", "account-ACC1 at 2: version 2\n"),
        ("ask FindAccounts", '"balance":100'),
        ("tail", "MoneyDeposited"),
        ("doctor", "all is well\n"),
        ("--tree", "README.md\t100644\t"),
        ("demo git", "7,667 commits by 916 authors, 32,503 changes, 3,139 files now"),
        ("--help", "exit code  meaning"),
    ],
)
def test_what_is_pasted_says_what_the_story_promised(
    tour: list[tuple[str, str, int]], part: str, says: str
) -> None:
    assert any(says in said for command, said, _ in tour if part in command)


def test_the_tour_tries_every_kind_of_command(tour: list[tuple[str, str, int]]) -> None:
    tried = {shlex.split(command)[1] for command, _, _ in tour}
    assert tried >= {"send", "read", "ask", "history", "tail", "doctor", "demo", "--help"}
