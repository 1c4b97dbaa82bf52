"""Processes are killed at any moment: what was acknowledged is there once, whole and in order."""

import multiprocessing
import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

from whence.backends.sqlite import SqliteStore
from whence.store import ALL
from whence.testing.conformance.children import loading
from whence.testing.conformance.processes import check_whole
from whence.testing.conformance.words import append, collect, event

SECONDS = 8
"""As long as the rounds go on, each six on a file of their own."""
FILES = 2
"""There are at least so many."""

_quickly = multiprocessing.get_context("forkserver")
"""Children start within milliseconds, since another child has made all the imports."""
_quickly.set_forkserver_preload([loading.__module__, SqliteStore.__module__])


class Child:
    """A process in which eight tasks append for ever, and tell what was acknowledged."""

    def __init__(self, path: Path, generation: int) -> None:
        self.acknowledged: list[str] = []
        self._pipe, theirs = _quickly.Pipe()
        open_store = partial(SqliteStore, path, readers=1)
        self._process = _quickly.Process(
            target=loading, args=(theirs, open_store, generation), daemon=True
        )
        self._process.start()
        theirs.close()

    def listen(self, seconds: float = 0.0, *, enough: int = 0) -> None:
        """Hear what it says for some time, or until it has said enough."""
        until = time.monotonic() + seconds
        begun = len(self.acknowledged)
        while time.monotonic() < until or len(self.acknowledged) < begun + enough:
            if self._pipe.poll(0.001):
                self.acknowledged.append(self._pipe.recv())

    def kill(self) -> None:
        """At once, and hear its last words."""
        assert self._process.is_alive()
        self._process.kill()
        with suppress(EOFError, OSError):
            while True:
                self.acknowledged.append(self._pipe.recv())
        self._process.join()
        self._process.close()
        self._pipe.close()


async def check(path: Path, acknowledged: Sequence[str]) -> None:
    """All is there, nothing half-written, and the next start heals by itself."""
    async with SqliteStore(path) as store:
        log = await collect(store.read(ALL))
        check_whole(log, list(acknowledged))
        assert await store.query(sound)
        await append(store, event())
        assert (await collect(store.read(ALL)))[:-1] == log


def sound(connection: sqlite3.Connection) -> bool:
    return connection.execute("pragma integrity_check").fetchall() == [("ok",)]


async def test_kills_at_any_moment(tmp_path: Path) -> None:
    numbers = count()
    until = time.monotonic() + SECONDS
    for file in count():
        if file >= FILES and time.monotonic() > until:
            return
        acknowledged: list[str] = []
        for _ in range(3):
            acknowledged += one_round(tmp_path / f"{file}.db", numbers)
            acknowledged += one_round(tmp_path / f"{file}.db", numbers)
            await check(tmp_path / f"{file}.db", acknowledged)


def one_round(path: Path, numbers: Iterator[int]) -> list[str]:
    """Two processes; the one that is left does not mind that the other is killed."""
    first, second = Child(path, next(numbers)), Child(path, next(numbers))
    if random.random() < 0.3:
        time.sleep(random.random() * 0.05)  # while it opens the file, or makes it
    else:
        first.listen(random.random() * 0.06, enough=1)
    first.kill()
    second.listen(random.random() * 0.03, enough=20)
    second.kill()
    return first.acknowledged + second.acknowledged
