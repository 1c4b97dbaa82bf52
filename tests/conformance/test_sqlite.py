"""The SQLite store keeps every promise."""

from functools import partial
from pathlib import Path

import pytest

from whence.backends.sqlite import SqliteStore
from whence.testing.conformance import (
    HandlesConformance,
    OpenStore,
    ProcessesConformance,
    StoreConformance,
)


class TestSqlite(StoreConformance, HandlesConformance, ProcessesConformance):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return partial(SqliteStore, tmp_path / "events.db")
