"""The conformance suite catches every deliberate fault, in every backend."""

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from whence.backends.memory import MemoryStore
from whence.backends.sqlite import SqliteStore
from whence.testing.conformance import OpenStore
from whence.testing.faults import BREAKAGES, SHARED_BREAKAGES, Faulty, first_failure

Fresh = Callable[[], OpenStore]


def memory(path: Path) -> OpenStore:
    store = MemoryStore()
    return lambda: store


def sqlite(path: Path) -> OpenStore:
    return partial(SqliteStore, path)


@pytest.fixture(params=[memory, sqlite], ids=["memory", "sqlite"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Fresh:
    numbers = count()
    return lambda: request.param(tmp_path / f"{next(numbers)}.db")


@pytest.mark.parametrize("fault", BREAKAGES, ids=lambda fault: fault.__name__)
def test_the_suite_catches(fault: type[Faulty], fresh: Fresh) -> None:
    assert first_failure(fault.caught_by, lambda: partial(fault, fresh()))


@pytest.mark.parametrize("fault", SHARED_BREAKAGES, ids=lambda fault: fault.__name__)
def test_the_suite_catches_between_processes(fault: type[Faulty], tmp_path: Path) -> None:
    numbers = count()

    def broken() -> OpenStore:
        return partial(fault, sqlite(tmp_path / f"{next(numbers)}.db"))

    assert first_failure(fault.caught_by, broken)


def test_what_is_not_broken_is_not_caught(tmp_path: Path) -> None:
    class Sound(Faulty):
        """Does everything right."""

    for promise in {fault.caught_by for fault in BREAKAGES}:
        assert first_failure(promise, lambda: partial(Sound, memory(tmp_path)), rounds=1) is None
