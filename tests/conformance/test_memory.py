"""The memory store keeps every promise: it is the model of the others."""

import pytest

from whence.backends.memory import MemoryStore
from whence.testing.conformance import HandlesConformance, OpenStore, StoreConformance


class TestMemory(StoreConformance, HandlesConformance):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        store = MemoryStore()
        return lambda: store
