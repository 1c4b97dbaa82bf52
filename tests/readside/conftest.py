"""Every promise of the read side is kept on each kind of database."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgres"])
def read_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh read database."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path}/read.db"


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a log that outlives its application."""
    return f"sqlite:///{tmp_path}/log.db"
