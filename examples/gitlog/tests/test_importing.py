"""Importing: every commit once, whatever happens on the way, in little memory."""

import gzip
import json
import subprocess
import sys
from collections.abc import Generator
from itertools import islice
from pathlib import Path

import pytest

import gitlog
from gitlog.commits import RecordCommit
from gitlog.errors import NoHistory
from gitlog.importing import Imported, import_history
from gitlog.models import Commit, File, Overview
from gitlog.repositories import Repository
from gitlog.sources import Source, open_source
from gitlog.tests.git_repository import GitRepository
from whence import App, Rejected


def part(source: Source, start: int, end: int | None) -> Source:
    """Some of the commits of ``source``."""

    def commits(repository_id: str) -> Generator[RecordCommit, None, None]:
        yield from islice(source.commits(repository_id), start, end)

    return Source(source.name, source.total, commits)


def duck_pond(repository: GitRepository) -> Source:
    """Three commits: a duck comes, another, the first one goes."""
    repository.write("duck", "quack")
    repository.commit("a duck")
    repository.write("swan", "hiss")
    repository.commit("a swan")
    repository.git("rm", "--quiet", "duck")
    repository.commit("no duck")
    return open_source(repository.folder)


async def test_every_commit_is_recorded_and_can_be_read(
    app: App, repository: GitRepository
) -> None:
    imported = await import_history(app, duck_pond(repository))
    assert imported == Imported("pond", commits=3, new=3, changes=3, position=imported.position)
    files = await app.read(File).after(imported.position)
    assert [(file.path, file.author) for file in files] == [("swan", "Zoë")]
    commits = await app.read(Commit).order_by("version").after(imported.position)
    assert [commit.commit for commit in commits] == repository.commits()
    assert [commit.version for commit in commits] == [1, 2, 3]


async def test_importing_again_records_nothing(app: App, repository: GitRepository) -> None:
    source = duck_pond(repository)
    first = await import_history(app, source)
    again = await import_history(app, source)
    assert again == Imported("pond", commits=3, new=0, changes=0, position=first.position)
    assert (await app.history(Repository, "pond").now()).version == 3


async def test_an_import_that_was_interrupted_goes_on(app: App, repository: GitRepository) -> None:
    source = duck_pond(repository)
    await import_history(app, part(source, 0, 2))
    assert (await import_history(app, source)).new == 1
    assert (await app.history(Repository, "pond").now()).head == repository.head()


async def test_what_was_committed_since_is_added(app: App, repository: GitRepository) -> None:
    await import_history(app, duck_pond(repository))
    repository.write("goose", "honk")
    repository.commit("a goose")
    imported = await import_history(app, open_source(repository.folder))
    assert (imported.commits, imported.new) == (4, 1)
    files = await app.read(File).order_by("path").after(imported.position)
    assert [file.path for file in files] == ["goose", "swan"]


async def test_two_repositories_may_share_their_commits(
    app: App, repository: GitRepository
) -> None:
    source = duck_pond(repository)
    await import_history(app, source)
    fork = await import_history(app, source, "fork")
    assert fork.new == 3
    files = await app.read(File).order_by("key").after(fork.position)
    assert [file.key for file in files] == ["fork:swan", "pond:swan"]


async def test_the_rows_of_two_repositories_never_meet(
    app: App, repository: GitRepository
) -> None:
    repository.write("b:swan", "hiss")
    repository.write("swan", "hiss")
    repository.commit("swans")
    source = open_source(repository.folder)
    await import_history(app, source, "a")
    last = await import_history(app, source, "a:b")
    files = await app.read(File).order_by("repository_id", "path").after(last.position)
    both = ["b:swan", "swan"]
    assert [(f.repository_id, f.path) for f in files] == [
        (n, p) for n in ("a", "a:b") for p in both
    ]


async def test_a_rewritten_history_is_refused(app: App, repository: GitRepository) -> None:
    await import_history(app, duck_pond(repository))
    repository.git("commit", "--quiet", "--amend", "--allow-empty", "--message=rewritten")
    with pytest.raises(Rejected, match="but the latest commit recorded for pond is"):
        await import_history(app, open_source(repository.folder))
    assert (await app.history(Repository, "pond").now()).version == 3


async def test_a_history_with_a_gap_is_refused(app: App, repository: GitRepository) -> None:
    source = duck_pond(repository)
    await import_history(app, part(source, 0, 1))
    with pytest.raises(Rejected, match="follows"):
        await import_history(app, part(source, 2, None))


async def test_what_stands_before_a_broken_line_is_kept(app: App, tmp_path: Path) -> None:
    file = tmp_path / "pond.jsonl"
    first: dict[str, object] = {
        "commit": "c1",
        "time": "2026-01-01T00:00:00Z",
        "author": "zoe",
        "changes": [],
    }
    file.write_text(f"{json.dumps(first)}\nbroken\n")
    with pytest.raises(NoHistory, match="line 2"):
        await import_history(app, open_source(file))


async def test_an_empty_repository_is_imported_in_no_time(
    app: App, repository: GitRepository
) -> None:
    imported = await import_history(app, open_source(repository.folder))
    assert imported == Imported("pond", commits=0, new=0, changes=0, position=0)


async def test_progress_is_told_after_every_commit(app: App, repository: GitRepository) -> None:
    told: list[tuple[int, int | None]] = []
    source = duck_pond(repository)
    await import_history(app, source, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


async def test_the_overview_counts_commits_changes_and_files(
    app: App, repository: GitRepository
) -> None:
    imported = await import_history(app, duck_pond(repository))
    row = await app.read(Overview).get("pond", after=imported.position)
    assert row is not None
    assert (row.head, row.commits, row.changes, row.files) == (repository.head(), 3, 3, 1)
    assert row.version == 3


def test_a_history_of_five_times_the_length_takes_no_more_memory(
    saved_history: Path, tmp_path: Path
) -> None:
    once, five_times = tmp_path / "once.jsonl.gz", tmp_path / "five.jsonl.gz"
    repeat(saved_history, once, 1)
    repeat(saved_history, five_times, 5)
    one, five = peak_memory(once, tmp_path), peak_memory(five_times, tmp_path)
    assert five["objects"] < one["objects"] + 2_000_000, (one, five)
    # SQLite keeps pages of its files in a cache, which grows until it is full.
    assert five["process"] < one["process"] + 30_000_000, (one, five)


def repeat(history: Path, into: Path, times: int, commits: int = 150) -> None:
    """The beginning of ``history``, again and again; a commit that empties the tree between."""
    with gzip.open(history, "rt") as lines:
        begin = [json.loads(line) for line in islice(lines, commits)]
    with gzip.open(into, "wt") as file:
        for round in range(times):
            tree: dict[str, None] = {}
            for commit in begin:
                file.write(json.dumps({**commit, "commit": f"{round}-{commit['commit']}"}) + "\n")
                for change in commit["changes"]:
                    tree.pop(change["path"], None)
                    if change["status"] != "D":
                        tree[change["path"]] = None
            empty = [{"status": "D", "path": path} for path in tree]
            last = {**begin[-1], "commit": f"{round}-empty", "changes": empty}
            file.write(json.dumps(last) + "\n")


def peak_memory(history: Path, folder: Path) -> dict[str, int]:
    """Bytes that a process, and Python's objects in it, take at most while it imports."""
    script = Path(__file__).with_name("importing_memory.py")
    url = f"sqlite:///{folder}/{history.name}.db"
    examples = str(Path(gitlog.__file__).parent.parent)
    run = subprocess.run(
        [sys.executable, str(script), examples, str(history), url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, int] = json.loads(run.stdout)
    return found
