"""`Source`: where a history comes from, a git repository or a saved file."""

import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gitlog import git, saved
from gitlog.commits import RecordCommit
from gitlog.errors import NoHistory
from gitlog.paths import quoted


@dataclass(frozen=True, slots=True)
class Source:
    """A history to be read, oldest commit first."""

    name: str
    """What its repository is called, if nobody says otherwise."""
    total: int
    """How many commits there are."""
    commits: Callable[[str], Generator[RecordCommit, None, None]]
    """Reads them as commands for the repository of this id."""
    commit_named: Callable[[str], str | None] = lambda name: None
    """The commit that a name such as HEAD or a branch stands for, where there are names."""


def open_source(path: Path | str) -> Source:
    """The history that ``path`` holds. Raises `NoHistory`, saying why, if there is none."""
    path = Path(path)
    if saved.is_saved(path) and path.is_file():
        name = _text(path.name.partition(".jsonl")[0])
        return Source(name, saved.count(path), partial(saved.history, path))
    if path.is_dir() and git.is_repository(path):
        history, commit_named = partial(git.history, path), partial(git.commit_named, path)
        return Source(_text(git.name(path)), git.count(path), history, commit_named)
    if not path.exists():
        raise NoHistory(f"{path} does not exist")
    raise NoHistory(f"{path} is neither a git repository nor a saved history (.jsonl, .jsonl.gz)")


def _text(name: str) -> str:
    """The name of a file or folder as text on one line; the folder of all folders has none."""
    return quoted(os.fsencode(name)) or "root"
