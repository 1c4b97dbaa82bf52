"""Memory while replaying a million events: the peak of a process that does nothing else.

A read model is caught up from the first event and the whole log is read into typed events, each
in a process of its own; once as far as a tenth of the log, once to its end. The number of
accounts, so of rows, is the same from the first tenth on.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import bank
from benchmarks.harness import Round, Work
from whence import App
from whence.store import ALL

EVENTS, ACCOUNTS, QUICK = 1_000_000, 10_000, 1_000
TENTH = "a tenth"


async def catch_up(store: Path, until: int) -> None:
    """Fold the log into an empty read model."""
    app = App("bank", bank.Account, bank.Balance, store=f"sqlite:///{store}", read="sqlite://")
    async with app:
        await app.read(bank.Balance).get(bank.account(0), after=until, timeout=600)


async def read(store: Path, until: int) -> None:
    """Read the log into typed events."""
    async with App("bank", bank.Account, store=f"sqlite:///{store}") as app:
        async for page in app.running.store.read(ALL, limit=until):
            for recorded in page.events:
                app.wiring.events.decode(recorded)


def _peak(what: str, store: Path, until: int) -> float:
    """Megabytes that a process takes at most."""
    command = [sys.executable, "-m", "benchmarks.memory", what, str(store), str(until)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def _side(share: int) -> Iterator[Round]:
    raise NotImplementedError


@contextmanager
def whence(work: Work) -> Iterator[Round]:
    yield from _replaying(work, 1)


@contextmanager
def tenth(work: Work) -> Iterator[Round]:
    yield from _replaying(work, 10)
