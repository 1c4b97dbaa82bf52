"""Workers in processes of their own, and what must be true of all that they have done."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Self

from sqlalchemy import text

from whence.backends.sql.board import Board

from .kit import NAME, connect

PATIENCE = 60.0
"""Seconds. What has not happened by then never will."""
_PROGRAM = Path(__file__).with_name("process.py")
_TABLES = """
create table counters (slice int primary key, n int not null);
create table history (
    slice int, n int, epoch int not null, pid int not null, primary key (slice, n)
)
"""


class Process:
    """One worker; it waits for `begin`."""

    def __init__(self, options: dict[str, object]) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, str(_PROGRAM), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._popen.pid
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self._popen.stdout
        for line in self._popen.stdout:
            self._said.put(line.strip())
        self._said.put("ended")

    def wait_for(self, word: str) -> str:
        """Return what it says next that begins with ``word``."""
        while True:
            line = self._said.get(timeout=PATIENCE)
            if line.startswith(word):
                return line
            assert line != "ended", f"it ended before it said {word!r}"

    def begin(self) -> None:
        """Let it join."""
        assert self._popen.stdin
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()

    def stop(self) -> None:
        """Suspend it; returns when it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def leave(self) -> None:
        """SIGTERM; returns when it has ended properly."""
        os.kill(self.pid, signal.SIGTERM)
        self.wait_for("left")

    def kill(self) -> None:
        """SIGKILL, if it still runs; returns when it is gone."""
        self._popen.kill()
        self._popen.wait()
        self._listening.join()
        for pipe in (self._popen.stdin, self._popen.stdout):
            assert pipe
            pipe.close()


class Team:
    """Processes that share one projection."""

    def __init__(self, url: str, folder: Path, slices: int = 16, seconds: float = 1.0) -> None:
        self._engine = connect(url)
        self._folder, self._slices = folder, slices
        self._options = {"url": url, "slices": slices, "seconds": seconds, "folder": str(folder)}
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        with self._engine.begin() as connection:
            Board(self._engine.dialect).create(connection)
            connection.exec_driver_sql(_TABLES)
            numbers = [(number,) for number in range(self._slices)]
            connection.exec_driver_sql("insert into counters values (%s, 0)", numbers)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._processes:
            one.kill()
        self._engine.dispose()

    def start(self, number: int, **options: float) -> list[Process]:
        """More workers, which begin at the same moment."""
        new = [Process({**self._options, **options}) for _ in range(number)]
        self._processes += new
        for one in new:
            one.wait_for("ready")
        for one in new:
            one.begin()
        return new

    def owners(self) -> Counter[int]:
        """How many slices each process owns that the others think is alive."""
        with self._engine.begin() as connection:
            board = Board(self._engine.dialect)
            return Counter({one.pid: len(one.slices) for one in board.holders(connection, NAME)})

    def until_shared(self, *processes: Process) -> None:
        """Return when just these own everything, in fair shares, and write."""
        until = time.monotonic() + PATIENCE
        while True:
            owners = self.owners()
            fair = owners and max(owners.values()) - min(owners.values()) <= 1
            if fair and owners.keys() == {one.pid for one in processes}:
                break
            assert time.monotonic() < until, owners
            time.sleep(0.02)
        for one in processes:
            one.wait_for("writing")

    def write(self, rows: list[tuple[int, int, int, int]]) -> None:
        """Add to the history."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql("insert into history values (%s, %s, %s, %s)", [*rows])

    def history(self) -> list[tuple[int, int, int, int]]:
        """All that was written: slice, number, epoch, process; in the order of the commits."""
        with self._engine.begin() as connection:
            rows = connection.execute(text("select * from history order by slice, n"))
            return [(row[0], row[1], row[2], row[3]) for row in rows]

    def check(self) -> None:
        """Nobody has written to a slice after its next owner, and nobody owned what another did.

        That nothing was written by two at once is for the database; that nothing is written by
        one who believed wrongly is for the fence; that nobody believes wrongly is for the clocks.
        """
        for before, after in pairwise(self.history()):
            if before[0] == after[0]:
                assert after[1] == before[1] + 1
                kept = after[2:] == before[2:]
                assert kept or after[2] > before[2], f"{after} came after {before}"
        for one, next_one in pairwise(sorted(self._beliefs())):
            if one[0] == next_one[0]:
                assert one[2] <= next_one[1], f"{one} and {next_one} at the same time"

    def _beliefs(self) -> list[tuple[int, float, float, int, int]]:
        """Slice, since when, until when, epoch, process; as each process has noted it."""
        found: dict[tuple[int, int, int], tuple[float, float]] = {}
        for file in self._folder.glob("*.notes"):
            pid = int(file.stem)
            for line in file.read_text().splitlines():
                if not line.endswith("}]"):
                    continue  # it was killed while it wrote this
                before, after, epochs = json.loads(line)
                for number, epoch in epochs.items():
                    key = int(number), epoch, pid
                    found[key] = found.get(key, (after, 0))[0], before
        return [(n, since, till, epoch, pid) for (n, epoch, pid), (since, till) in found.items()]
