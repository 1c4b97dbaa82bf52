"""Reading a local read model: two processes against one, each with a copy of its own.

The log is on PostgreSQL. Each process folds it into an SQLite file of its own (``local=True``),
follows it, and is asked for one row after the other, chosen at random. Two processes need two
free cores to be twice as fast.
"""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from random import Random
from time import perf_counter
from typing import Annotated

from benchmarks import bank
from benchmarks.harness import WHENCE, Figure, Goal, Round, Sample, Side, Work
from benchmarks.postgres.backend import POSTGRES
from whence import App, Index, ReadModel, evolve

ACCOUNTS, EVENTS, QUICK = 10_000, 10, 10
SECONDS, BRIEF = 2.0, 0.1
ONE = "one process"

Node = subprocess.Popen[str]


class NearBalance(ReadModel, local=True):
    account_id: str
    owner: Annotated[str, Index()] = ""
    balance: int = 0

    @evolve
    def _(self, event: bank.AccountOpened) -> None:
        self.owner = event.owner

    @evolve
    def _(self, event: bank.MoneyDeposited) -> None:
        self.balance += event.amount


def side(number: int) -> Side:
    """So many processes."""

    @contextmanager
    def ready(work: Work) -> Generator[Round]:
        accounts = work.of(ACCOUNTS, QUICK)
        with POSTGRES.store(work, accounts * EVENTS, accounts) as url, ExitStack() as stack:
            nodes = [
                stack.enter_context(node(url, f"{work.folder}/{place}.db", accounts, work.quick))
                for place in range(number)
            ]
            yield lambda: Sample(sum(asked(nodes)))

    return ready


@contextmanager
def node(url: str, path: str, accounts: int, quick: bool) -> Generator[Node]:
    """A process with a copy of its own, which has caught up."""
    seconds = BRIEF if quick else SECONDS
    words = [__spec__.name, url, f"sqlite:///{path}", str(accounts), str(seconds)]
    with subprocess.Popen(
        [sys.executable, "-m", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert said(process) == "ready"
        yield process
        tell(process, "end")


def asked(nodes: list[Node]) -> Generator[float]:
    """How many rows each of them reads in a second while the others do the same."""
    for one in nodes:
        tell(one, "read")
    for one in nodes:
        yield float(said(one))


def tell(process: Node, word: str) -> None:
    assert process.stdin is not None
    print(word, file=process.stdin, flush=True)


def said(process: Node) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def serve(url: str, local: str, accounts: int, seconds: float) -> None:
    """Read for so long, as often as somebody says so."""
    async with App("bank", bank.Account, NearBalance, store=url, local=local) as app:
        last = await app.running.store.head()
        await app.read(NearBalance).get(bank.account(0), after=last, timeout=600)
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline) == "read\n":
            print(await rate(app, accounts, seconds), flush=True)


async def rate(app: App, accounts: int, seconds: float) -> float:
    """Rows per second."""
    chance, count, start = Random(7), 0, perf_counter()
    while perf_counter() < start + seconds:
        for _ in range(100):
            assert await app.read(NearBalance).get(bank.account(chance.randrange(accounts)))
        count += 100
    return count / (perf_counter() - start)


FIGURE = Figure(
    "postgres.local_reads",
    "reading a local read model, two processes",
    "rows/s",
    {WHENCE: side(2), ONE: side(1)},
    (Goal(ONE, 1.8),),
    rounds=5,
)

if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
