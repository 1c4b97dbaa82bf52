"""What the tests of gitlog share."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

import gitlog
from gitlog.tests.git_repository import GitRepository
from whence import App

DATA = Path(gitlog.__file__).parent / "data"


class ExpectedTree(NamedTuple):
    """What git says of one tree of the saved history."""

    n: int
    commit: str
    time: str
    files: int
    sha256: str


@pytest.fixture(scope="session")
def expected_trees() -> list[ExpectedTree]:
    """Twenty trees all along the saved history, the last one among them."""
    expected = json.loads((DATA / "expected.json").read_text())
    return [ExpectedTree(**tree) for tree in expected["trees"]]


@pytest.fixture(scope="session")
def saved_history() -> Path:
    """The saved history of a real project: 7,667 commits."""
    return DATA / "history.jsonl.gz"


@pytest.fixture
def whence_app() -> App:
    return gitlog.app


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """An empty git repository."""
    return GitRepository(tmp_path / "pond")
