"""Writers and workers are killed in a loop under load, and the server too; nothing is lost.

For some seconds with the other tests, and for as long as ``WHENCE_SOAK`` says in seconds:
`make soak`. What every writer was told is written down, and compared with what is stored.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from whence import App
from whence.store import ALL
from whence.testing.postgres import PrivatePostgres

from .accounts import Balance, app

SECONDS = float(os.environ.get("WHENCE_SOAK", "12"))
_ROOT = Path(__file__).parents[2]


class Crowd:
    """Processes that die young, each replaced at once."""

    def __init__(self, commands: list[list[str]], folder: Path) -> None:
        self._commands, self._folder = commands, folder
        self.kills = 0
        self._processes = [self._start(command) for command in commands]

    def kill_one(self) -> None:
        """SIGKILL, wherever it is."""
        place = random.randrange(len(self._processes))
        self._end(place, signal.SIGKILL)
        self._processes[place] = self._start(self._commands[place])
        self.kills += 1

    def end(self) -> None:
        """Kill them all, which is how it ends for most of them anyway."""
        for place in range(len(self._processes)):
            self._end(place, signal.SIGKILL)

    def _end(self, place: int, number: int) -> None:
        self._processes[place].send_signal(number)
        self._processes[place].wait()

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        with open(self._folder / "said", "ab") as said:
            return subprocess.Popen(command, cwd=_ROOT, stdout=said, stderr=said)


@contextmanager
def crowd(url: str, folder: Path) -> Generator[Crowd]:
    """Two writers and two workers."""
    writers = [
        [sys.executable, "-m", "tests.soak.writer", url, str(folder / f"history{n}")]
        for n in range(2)
    ]
    worker = [
        sys.executable,
        "-m",
        "whence",
        "--app",
        "tests.soak.accounts:app",
        "--store",
        url,
        "worker",
    ]
    processes = Crowd([*writers, worker, worker], folder)
    try:
        yield processes
    finally:
        processes.end()


def histories(folder: Path) -> dict[str, set[str]]:
    """What the writers were told: ids by word."""
    told = defaultdict[str, set[str]](set)
    for path in folder.glob("history*"):
        for line in path.read_text().splitlines():
            word, _, id = line.partition(" ")
            told[word].add(id)
    return told


async def check(opened: App, told: dict[str, set[str]]) -> int:
    """Acknowledged is stored exactly once, refused never; versions have no holes."""
    stored, versions, last = Counter[str](), dict[str, int](), 0
    async for page in opened.running.store.read(ALL):
        for event in page.events:
            stored[event.commit_id] += 1
            assert event.position > last
            assert event.version == versions.get(event.stream, 0) + 1
            last = event.position
            versions[event.stream] = event.version
    assert set(stored.values()) == {1}
    assert told["ack"] <= set(stored)
    assert not told["no"] & set(stored)
    assert set(stored) <= told["try"]
    return last


@pytest.mark.timeout(SECONDS + 200)
async def test_processes_and_the_server_are_killed_under_load(tmp_path: Path) -> None:
    with PrivatePostgres(max_connections=200) as server:
        url = server.create_database()
        with crowd(url, tmp_path) as processes:
            while not histories(tmp_path)["ack"]:
                time.sleep(0.05)  # noqa: ASYNC251 - nothing else runs here
            end, restart = time.monotonic() + SECONDS, time.monotonic() + SECONDS / 2
            while time.monotonic() < end:
                time.sleep(random.uniform(0.2, 1.0))  # noqa: ASYNC251
                if time.monotonic() > restart:
                    server.kill()
                    server.start()
                    restart += max(SECONDS / 4, 30.0)
                else:
                    processes.kill_one()
        assert processes.kills
        async with app.using(store=url) as opened:
            last = await check(opened, histories(tmp_path))
            rows = await opened.read(Balance).after(last, 60)
            assert sum(row.bookings for row in rows) > 0
            assert all(row.version == row.bookings for row in rows)
            assert (await opened.verify(Balance)).in_sync
