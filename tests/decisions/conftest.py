"""The school on stores of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whence import App
from whence.backends.memory import MemoryStore

from .school import OpenApp, school


@pytest.fixture(params=["memory", "sqlite"])
def open_app(request: pytest.FixtureRequest, tmp_path: Path) -> OpenApp:
    """Opens one more application on the same data."""
    store = MemoryStore() if request.param == "memory" else f"sqlite:///{tmp_path / 'school.db'}"
    return lambda: school(store)


@pytest.fixture
async def two(open_app: OpenApp) -> AsyncIterator[tuple[App, App]]:
    async with open_app() as one, open_app() as other:
        yield one, other


@pytest.fixture
def app() -> App:
    return school("memory://")
