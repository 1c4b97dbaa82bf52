"""The PostgreSQL store keeps every promise."""

from functools import partial

import pytest

from whence.backends.postgres import PostgresStore
from whence.testing.conformance import (
    HandlesConformance,
    OpenStore,
    ProcessesConformance,
    StoreConformance,
)


class TestPostgres(StoreConformance, HandlesConformance, ProcessesConformance):
    @pytest.fixture
    def open_store(self, postgres_schema: str) -> OpenStore:
        return partial(PostgresStore, postgres_schema)
