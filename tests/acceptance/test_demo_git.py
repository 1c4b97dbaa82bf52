"""`whence demo git`: any git repository, or a saved history, and its tree at any moment."""

import gzip
import hashlib
import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import gitlog
from gitlog.paths import quoted
from gitlog.tests.git_repository import GitRepository

from .terminal import PROGRAM, Terminal, person, save, shape

DATA = Path(gitlog.__file__).parent / "data"
EXPECTED: list[dict[str, Any]] = json.loads((DATA / "expected.json").read_text())["trees"]
LATER = "2999-01-01"


@pytest.fixture
def pond(terminal: Terminal) -> GitRepository:
    """A repository with what real ones have: renames, deletions, modes, a link, a merge."""
    repository = GitRepository(terminal.folder / "pond")
    repository.write("duck", "quack")
    repository.write("reed/green", "green")
    repository.commit("begin")
    repository.git("mv", "duck", "drake")
    repository.commit("rename")
    (repository.folder / "drake").chmod(0o755)
    os.symlink("drake", repository.folder / "link")
    repository.commit("a program and a link")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.write("swan", "hiss")
    repository.commit("on the side")
    repository.git("checkout", "--quiet", "main")
    repository.git("rm", "--quiet", "-r", "reed")
    repository.commit("delete")
    repository.git("merge", "--quiet", "--no-ff", "side", "--message=merge")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{repository.head()},module")
    repository.git("commit", "--quiet", "--message=submodule")
    return repository


@pytest.fixture
def first_commits(terminal: Terminal) -> Path:
    """The first two thousand commits of the saved history."""
    path = terminal.folder / "first.jsonl"
    with gzip.open(DATA / "history.jsonl.gz", "rt") as lines, path.open("w") as first:
        first.writelines(islice(lines, 2_000))
    return path


def lines_of(repository: GitRepository, commit: str) -> list[str]:
    """What git itself says of a tree, as `--tree` prints it."""
    return [f"{quoted(path)}\t{mode}\t{hash}" for path, mode, hash in repository.tree(commit)]


def stored(folder: Path) -> int:
    """How many commits are stored, also while somebody imports them."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(folder / "gitlog.db")) as db:
        return int(db.execute("select count(*) from events").fetchone()[0])
    return 0


def test_a_repository_is_imported_and_summed_up(terminal: Terminal, pond: GitRepository) -> None:
    answer = terminal("demo", "git", "pond")
    assert (
        "pond: 6 commits by 1 author, 9 changes, 4 files now; 2025-12-31 to 2026-01-01"
        in answer.out
    )
    for title in ("changed most", "author", "busiest month"):
        assert f"\n{title}  " in answer.out
    assert "Zoë" in answer.out
    assert answer.err == "6 new commits with 9 changes\n"


def test_programs_get_the_summary_too(terminal: Terminal, pond: GitRepository) -> None:
    found = terminal("demo", "git", "pond", "--json").json
    assert shape(found["imported"]) == {
        "repository_id": "str",
        "commits": "int",
        "new": "int",
        "changes": "int",
        "position": "int",
    }
    assert {*found} == {"store", "imported", "summary"}
    assert {*found["summary"]} == {
        "overview",
        "authors",
        "contributors",
        "most_changed",
        "busiest",
    }
    assert found["summary"]["overview"]["head"] == pond.head()


def test_every_tree_is_what_git_says(terminal: Terminal, pond: GitRepository) -> None:
    for commit in pond.commits():
        printed = terminal("demo", "git", "pond", "--tree", commit).out
        assert printed.splitlines() == lines_of(pond, commit)
    last = terminal("demo", "git", "pond", "--tree", LATER).out.splitlines()
    assert last == lines_of(pond, pond.head())
    assert {line.split("\t")[1] for line in last} == {
        "100755",
        "120000",
        "100644",
        "160000",
    }


def test_a_tree_for_programs(terminal: Terminal, pond: GitRepository) -> None:
    first = pond.commits()[0]
    found = terminal("demo", "git", "pond", "--tree", first[:8], "--json").json
    assert {*found} == {"repository", "commit", "time", "version", "files"}
    assert (found["commit"], found["version"]) == (first, 1)
    printed = ["\t".join([one["path"], one["mode"], one["blob"]]) for one in found["files"]]
    assert printed == lines_of(pond, first)


def test_odd_names_stay_on_their_lines(terminal: Terminal) -> None:
    odd = GitRepository(terminal.folder / "odd")
    names = [b"tab\there", b"new\nline", b'"quoted"', "größe/東京".encode(), b"\xff", b"\x1b[2J"]
    for name in names:
        odd.write(name, "odd")
    head = odd.commit("odd names")
    printed = terminal.process("demo", "git", "odd", "--tree", head).out
    assert printed.splitlines() == lines_of(odd, head)
    assert "\x1b" not in printed
    assert len(terminal("demo", "git", "odd", "--tree", head, "--json").json["files"]) == 6
    assert terminal("demo", "git", "odd").err == "0 new commits with 0 changes, 1 known before\n"


def test_what_was_committed_since_is_added(terminal: Terminal, pond: GitRepository) -> None:
    terminal("demo", "git", "pond")
    pond.write("drake", "quack quack")
    pond.git("commit", "--quiet", "--message=louder", "drake")
    assert terminal("demo", "git", "pond").err == "1 new commit with 1 change, 6 known before\n"


def test_the_store_is_that_of_an_application(terminal: Terminal, pond: GitRepository) -> None:
    terminal("demo", "git", "pond", "--store", "sqlite:///mine.db")
    named = ("--app", "gitlog:app", "--store", "sqlite:///mine.db")
    assert terminal(*named, "streams").out.split() == ["stream", "version", "repository-pond", "6"]
    assert terminal(*named, "read", "files", "--json").json["count"] == 4
    terminal(*named, "rebuild", "--all")
    assert terminal(*named, "read", "files", "--json").json["count"] == 4
    assert terminal(*named, "doctor").err == "all is well\n"


def test_another_history_of_that_name_is_refused(terminal: Terminal, pond: GitRepository) -> None:
    terminal("demo", "git", "pond")
    other = GitRepository(terminal.folder / "elsewhere" / "pond")
    other.commit("something else")
    answer = terminal("demo", "git", "elsewhere/pond", code=5)
    assert "but the latest commit recorded for pond is" in answer.err
    assert "sqlite:///gitlog.db holds another history of that name: name another" in answer.err
    assert stored(terminal.folder) == 6


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("empty",), "empty has no commits yet: there is nothing to import"),
        (("plain",), "plain is neither a git repository nor a saved history"),
        (("nowhere",), "nowhere does not exist"),
        (("notes.txt",), "notes.txt is neither a git repository nor a saved history"),
        (("broken.jsonl",), "broken.jsonl, line 1: "),
        (("broken.jsonl.gz",), "broken.jsonl.gz: "),
    ],
)
def test_what_is_no_history_says_so(
    terminal: Terminal, words: tuple[str, ...], problem: str
) -> None:
    GitRepository(terminal.folder / "empty")
    (terminal.folder / "plain").mkdir()
    for name in ("notes.txt", "broken.jsonl", "broken.jsonl.gz"):
        save(terminal.folder, name, "hello\n")
    answer = terminal("demo", "git", *words, code=7)
    assert answer.err.startswith(f"error: {problem}")


@pytest.mark.parametrize(
    ("moment", "problem"),
    [
        ("1999-01-01", "pond had no commit yet at 1999-01-01"),
        ("goose", "'goose' is neither a known commit nor a time such as 2019-03-26"),
        ("0001-01-01T00:00:00+14:00", "is neither a known commit nor a time such as 2019-03-26"),
        ("-x", "'-x' is neither a known commit nor a time"),
        ("0000000", "'0000000' is neither a known commit nor a time"),
    ],
)
def test_a_moment_that_is_none_says_so(
    terminal: Terminal, pond: GitRepository, moment: str, problem: str
) -> None:
    assert problem in terminal("demo", "git", "pond", f"--tree={moment}", code=7).err


def test_a_tree_is_found_by_what_git_calls_its_commit(
    terminal: Terminal, pond: GitRepository
) -> None:
    pond.git("tag", "-a", "v1", "HEAD~2", "--message=the first")
    for name in ("HEAD", "main", "v1", "HEAD~3", "side^"):
        printed = terminal("demo", "git", "pond", "--tree", name).out.splitlines()
        assert printed == lines_of(pond, name)
    aside = pond.git("rev-parse", "side").decode().strip()
    answer = terminal("demo", "git", "pond", "--tree", "side", code=7)
    assert f"side is the commit {aside}, which is not in the first-parent history of" in answer.err


def test_without_git_a_repository_cannot_be_read(
    terminal: Terminal, pond: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(terminal.folder))
    assert "git is not installed" in terminal("demo", "git", "pond", code=7).err


def test_ctrl_c_loses_nothing_and_the_next_run_goes_on(
    terminal: Terminal, first_commits: Path
) -> None:
    importing = terminal.start("demo", "git", str(first_commits))
    end = time.monotonic() + 60
    while not stored(terminal.folder) and time.monotonic() < end:
        time.sleep(0.01)
    importing.send_signal(signal.SIGINT)
    out, err = importing.communicate(timeout=30)
    assert (importing.returncode, out, err) == (130, "", "")
    known = stored(terminal.folder)
    assert 0 < known < 2_000
    found = terminal("demo", "git", str(first_commits), "--json").json
    assert (found["imported"]["commits"], found["imported"]["new"]) == (2_000, 2_000 - known)
    assert found["summary"]["overview"]["commits"] == stored(terminal.folder) == 2_000


def test_a_kill_loses_nothing_either(terminal: Terminal, first_commits: Path) -> None:
    importing = terminal.start("demo", "git", str(first_commits))
    end = time.monotonic() + 60
    while not stored(terminal.folder) and time.monotonic() < end:
        time.sleep(0.01)
    importing.kill()
    importing.communicate()
    known = stored(terminal.folder)
    assert 0 < known < 2_000
    found = terminal("demo", "git", str(first_commits), "--json").json
    assert found["imported"]["new"] == 2_000 - known
    assert found["summary"]["overview"]["commits"] == stored(terminal.folder) == 2_000


def test_a_terminal_sees_a_bar_and_nobody_else(terminal: Terminal, first_commits: Path) -> None:
    ours, theirs = pty.openpty()
    importing = subprocess.Popen(
        [*PROGRAM, "demo", "git", str(first_commits)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**person(), "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    seen = all_of(ours)
    out, _ = importing.communicate(timeout=60)
    assert importing.returncode == 0
    assert b"2,000 commits by" in out
    assert "commits of first" in seen
    assert "2000/2000" in seen
    assert "/s" in seen
    assert "\x1b[?25h" in seen, "the cursor is shown again"
    quiet = terminal.process("demo", "git", str(first_commits))
    assert quiet.err == "0 new commits with 0 changes, 2,000 known before\n"


def all_of(terminal: int) -> str:
    """What is written to a terminal until nobody has it open any more."""
    seen = b""
    with open(terminal, "rb", buffering=0) as screen:
        while select.select([screen], [], [], 60)[0]:
            try:
                some = screen.read(65_536)
            except OSError:  # Linux: it was closed at the other end
                break
            if not some:
                break
            seen += some
    return seen.decode()


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the whole saved history was imported, by the command."""
    folder = tmp_path_factory.mktemp("imported")
    subprocess.run(
        [*PROGRAM, "demo", "git", str(DATA / "history.jsonl.gz")],
        cwd=folder,
        env={n: v for n, v in person().items() if not n.startswith("WHENCE_")},
        check=True,
        capture_output=True,
    )
    return folder


@pytest.mark.parametrize("number", [0, 9, 19])
def test_a_tree_of_the_saved_history_has_the_expected_fingerprint(
    terminal: Terminal, imported: Path, number: int
) -> None:
    for file in imported.glob("gitlog*"):
        shutil.copy(file, terminal.folder)
    expected = EXPECTED[number]
    words = ("demo", "git", str(DATA / "history.jsonl.gz"), "--tree")
    printed = terminal(*words, expected["commit"]).out
    assert len(printed.splitlines()) == expected["files"]
    assert hashlib.sha256(printed.rstrip("\n").encode()).hexdigest() == expected["sha256"]
