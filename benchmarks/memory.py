"""Memory while replaying a million events: the peak of a process that does nothing else.

An empty read model is caught up from the first event on, as when it is rebuilt: to the end of the
log, to a tenth of it, and to a hundredth. The accounts, so the rows, are the same in all of them.
What is left between the sides are caches of a fixed size, which a short log does not fill.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import bank
from benchmarks.harness import WHENCE, Figure, Round, Sample, Surplus, Work
from whence import App

EVENTS, ACCOUNTS = (1_000_000, 1_000), (1_000, 10)
HERE = Path(__file__).parents[1]
TENTH, HUNDREDTH = "a tenth of it", "a hundredth"


@contextmanager
def replaying(work: Work, part: int) -> Generator[Round]:
    """Each round replays one ``part`` of the log in a process of its own."""
    events = work.of(*EVENTS)
    store = bank.log(work, events, work.of(*ACCOUNTS))

    def one_round() -> Sample:
        read = work.folder / "read.db"
        read.unlink(missing_ok=True)
        script = [sys.executable, "-m", "benchmarks.memory", str(store), str(read)]
        done = subprocess.run(
            [*script, str(events // part)], cwd=HERE, stdout=subprocess.PIPE, text=True, check=True
        )
        return Sample(float(done.stdout))

    yield one_round


async def replay(store: str, read: str, until: int) -> None:
    """Fold the log into an empty read model, as far as ``until``."""
    app = App(
        "bank", bank.Account, bank.Balance, store=f"sqlite:///{store}", read=f"sqlite:///{read}"
    )
    async with app:
        await app.read(bank.Balance).get(bank.account(0), after=until, timeout=600)


def peak() -> float:
    """The most memory that this process has had, in MB.

    Not `resource.getrusage`: that counts what the process was before it became this program.
    """
    told = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert told is not None
    return int(told[1]) / 1024


FIGURE = Figure(
    "memory",
    "memory while replaying a million events",
    "MB",
    {
        WHENCE: partial(replaying, part=1),
        TENTH: partial(replaying, part=10),
        HUNDREDTH: partial(replaying, part=100),
    },
    (Surplus(TENTH, 5),),
    better="less",
    rounds=5,
)

if __name__ == "__main__":
    asyncio.run(replay(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    print(peak())
