"""Fixtures for pytest: ``app``, ``sync_app``, ``store`` and ``clock``.

They run the application of the setting ``app`` (as in ``[tool.whence] app = "bank:app"``) on a
fresh store in memory, at a time that only the test moves. To test another application, define
a fixture ``whence_app`` that returns it.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from whence.app import App, load
from whence.backends.memory import MemoryStore
from whence.clock import ManualClock
from whence.config import settings
from whence.sync import SyncApp


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at 9 in the morning of 1 January 2026 (UTC) until it is moved."""
    return ManualClock()


@pytest.fixture
def store() -> MemoryStore:
    """A fresh event store in memory."""
    return MemoryStore()


@pytest.fixture
def whence_app() -> App:
    """The application under test: that of the setting ``app``."""
    chosen = settings().get("app")
    if chosen is None:
        raise pytest.UsageError(
            'which application? Set app = "bank:app" in [tool.whence] of pyproject.toml,'
            " or define a fixture whence_app that returns it"
        )
    return load(chosen.value)


@pytest.fixture
async def app(whence_app: App, store: MemoryStore, clock: ManualClock) -> AsyncIterator[App]:
    """The application under test, open. Needs pytest-asyncio in its auto mode, or the like."""
    async with whence_app.using(store=store, read="sqlite://", clock=clock) as opened:
        yield opened


@pytest.fixture
def sync_app(whence_app: App, store: MemoryStore, clock: ManualClock) -> Iterator[SyncApp]:
    """The application under test, open, with blocking verbs."""
    with whence_app.using(store=store, read="sqlite://", clock=clock).sync as opened:
        yield opened
