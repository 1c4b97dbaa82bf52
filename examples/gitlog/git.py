"""Reading a git repository: its first-parent history as a stream, never all of it at once."""

import os
import subprocess
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import cast

from gitlog.commits import Change, RecordCommit, Status
from gitlog.errors import NoHistory
from gitlog.paths import quoted

_CHUNK = 1 << 16
_FIELDS = "%x00".join(["%H", "%P", "%cI", "%ct", "%an", "%s"])

# Whatever the user has configured, the output must be what we can read.
_LOG = [
    *("-c", "log.diffMerges=separate", "-c", "diff.relative=false"),
    *("log", "--first-parent", "--reverse", "-m", "--root", "--raw", "-z"),
    *("--no-abbrev", "--no-renames", "--ignore-submodules=none", "--no-ext-diff"),
    *("--no-color", "--no-show-signature", "--no-mailmap", "--encoding=UTF-8"),
    *(f"--format={_FIELDS}", "HEAD", "--"),
]

# Set where git runs a hook, for instance; they would lead us to another repository.
_ELSEWHERE = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX"),
}


def is_repository(folder: Path) -> bool:
    """Whether ``folder`` is in a git repository. Raises `NoHistory` if git will not say."""
    found = _run(folder, "rev-parse", "--git-dir")
    if found.returncode and "not a git repository" not in found.stderr:
        raise NoHistory(f"{folder}: {found.stderr.strip()}")
    return found.returncode == 0


def count(folder: Path) -> int:
    """How many commits the first-parent history has; 0: nothing was committed yet."""
    if _run(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").returncode:
        return 0
    counted = _run(folder, "rev-list", "--first-parent", "--count", "HEAD", "--")
    if counted.returncode:
        raise NoHistory(f"{folder}: {counted.stderr.strip()}")
    return int(counted.stdout)


def name(folder: Path) -> str:
    """What the repository is called that ``folder`` is in: as the folder that all of it is in."""
    found = _run(folder, "rev-parse", "--show-toplevel")
    if found.returncode == 0:
        return Path(_line(found.stdout)).name
    inside = Path(_line(_run(folder, "rev-parse", "--absolute-git-dir").stdout))
    return inside.parent.name if inside.name == ".git" else inside.name.removesuffix(".git")


def commit_named(folder: Path, name: str) -> str | None:
    """The commit that a branch, a tag, or ``HEAD~3`` stands for; None: git knows none."""
    if name.startswith("-"):
        return None
    found = _run(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return _line(found.stdout) if found.returncode == 0 else None


def history(folder: Path, repository_id: str) -> Generator[RecordCommit, None, None]:
    """The commits, oldest first, each with its changes against its first parent."""
    if count(folder):
        yield from _commits(_words(folder), repository_id)


def _commits(words: Iterator[bytes], repository_id: str) -> Iterator[RecordCommit]:
    """Six words begin a commit; each of its changes takes two more."""
    word = next(words, None)
    while word is not None:
        parents, iso, seconds, author, subject = (next(words) for _ in range(5))
        changes: dict[str, Change] = {}
        commit = word.decode()
        while (word := next(words, None)) is not None and word.lstrip().startswith(b":"):
            _, mode, _, blob, status = word.decode().split()
            gone = status == "D"
            changes[quoted(next(words))] = Change(
                cast(Status, status), "" if gone else mode, "" if gone else blob
            )
        yield RecordCommit(
            repository_id=repository_id,
            commit=commit,
            parent=parents.decode().partition(" ")[0],
            time=_moment(iso.decode(), seconds.decode()),
            author=author.decode(errors="replace"),
            changes=changes,
            subject=subject.decode(errors="replace"),
        )


def _moment(iso: str, seconds: str) -> datetime:
    """When it was committed; in UTC if its time zone cannot be, 1970 if its date cannot be."""
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        pass
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError):  # as git itself shows most of these
        return datetime.fromtimestamp(0, UTC)


def _words(folder: Path) -> Iterator[bytes]:
    """What git prints, cut at its NULs. Raises `NoHistory` if git fails."""
    with (
        TemporaryFile() as complaints,
        subprocess.Popen(
            _git(folder, *_LOG), stdout=subprocess.PIPE, stderr=complaints, env=_environment()
        ) as process,
    ):
        assert process.stdout is not None
        try:
            rest = b""
            while chunk := process.stdout.read(_CHUNK):
                *words, rest = (rest + chunk).split(b"\0")
                yield from words
        except GeneratorExit:
            process.kill()
            raise
        if code := process.wait():
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()
            raise NoHistory(f"{folder}: {said or f'git ended with {code} and said nothing'}")


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = _git(folder, *words)
    try:
        done = subprocess.run(command, capture_output=True, env=_environment())
    except FileNotFoundError as error:
        raise NoHistory("git is not installed, or not on the PATH") from error
    # What it prints may be the name of a folder, what it complains is for people.
    printed, complained = os.fsdecode(done.stdout), done.stderr.decode(errors="replace")
    return subprocess.CompletedProcess(command, done.returncode, printed, complained)


def _line(printed: str) -> str:
    return printed.removesuffix("\n")


def _git(folder: Path, *words: str) -> list[str]:
    return ["git", "-C", str(folder), *words]


def _environment() -> dict[str, str]:
    """The user's, but speaking English, and about no other repository."""
    return {k: v for k, v in os.environ.items() if k not in _ELSEWHERE} | {"LC_ALL": "C"}
