"""`Source`: where a history comes from, a git repository or a saved file."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gitlog import git, saved
from gitlog.commits import RecordCommit
from gitlog.errors import NoHistory


@dataclass(frozen=True, slots=True)
class Source:
    """A history to be read, oldest commit first."""

    name: str
    """What its repository is called, if nobody says otherwise."""
    total: int
    """How many commits there are."""
    commits: Callable[[str], Generator[RecordCommit, None, None]]
    """Reads them as commands for the repository of this id."""


def open_source(path: Path | str) -> Source:
    """The history that ``path`` holds. Raises `NoHistory`, saying why, if there is none."""
    path = Path(path)
    if saved.is_saved(path) and path.is_file():
        name = path.name.partition(".jsonl")[0]
        return Source(name, saved.count(path), partial(saved.history, path))
    if path.is_dir() and git.is_repository(path):
        name = path.resolve().name.removesuffix(".git")
        return Source(name, git.count(path), partial(git.history, path))
    if not path.exists():
        raise NoHistory(f"{path} does not exist")
    raise NoHistory(f"{path} is neither a git repository nor a saved history (.jsonl, .jsonl.gz)")
