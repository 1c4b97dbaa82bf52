"""A process may open no more files: it is said so, and all goes on as soon as it may."""

import os
import resource
from collections.abc import Callable
from pathlib import Path

from whence.backends.sqlite import SqliteStore
from whence.errors import StoreError
from whence.testing.conformance.words import append, event

LACKING = "cannot be opened: Too many open files"


def allow(more: int) -> None:
    """Let this process have ``more`` files beside those that it has."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_000, hard))
    free = sorted(set(range(1_000)) - taken())
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[more], hard))


def taken() -> set[int]:
    """The numbers of the open files."""
    return {int(number) for number in os.listdir("/proc/self/fd")}


async def open_with_few(path: str) -> None:
    """Each time one more, until it is enough."""
    async with SqliteStore(path):
        pass
    before = len(taken())
    for more in range(1, 20):
        store = SqliteStore(path)
        allow(more)
        try:
            async with store:
                for _ in range(3):
                    await append(store, event())
                    await store.head()
            print("enough")
        except StoreError as error:
            print(error)
        allow(100)
        assert len(taken()) == before


def test_a_store_without_files(alone: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    said = alone(open_with_few, path).splitlines()
    first = said.index("enough")
    # The very first may be free again by the time that somebody asks what was lacking.
    assert all(f"{path}" in line and LACKING in line for line in said[1:first])
    assert first > 2
    assert said[first:] == ["enough"] * len(said[first:])
