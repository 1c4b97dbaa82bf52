"""Catching up one read model on PostgreSQL: two worker processes against one.

The workers and the server share the cores, so on two cores this is not what two free cores make
of it: for that see `workers_in_turns`.

Each process is a ``whence worker`` on one log and one read database, all on the same machine as
the server. The events of an account lie far apart, as in `benchmarks.catching_up`. Starting is
left out: counted is what remains to be handled when each process has its share of the slices, and
the time until the last slice has reached the head.

Every process reads the whole log, and folds what is in its slices; the server works for all of
them. So two processes need more processor time than one, and can be twice as fast only if there
are cores for that: two for them, and what the server needs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, LiteralString

import psycopg

from benchmarks import bank
from benchmarks.harness import WHENCE, Figure, Goal, Round, Sample, Side, Work
from benchmarks.postgres import databases
from whence import App

ACCOUNTS, EVENTS, QUICK = 10_000, 10, 100
ONE = "one worker"

app = App("bank", bank.Account, bank.Balance)
"""What the workers run; which store and read database, their environment says."""

_NOWHERE = subprocess.DEVNULL
_OWNERS = "select count(distinct owner) from whence_leases where name = 'balance'"
_LEFT = "select coalesce(avg(%s - position), 1) from whence_checkpoints where name = 'balance'"


Workers = list[subprocess.Popen[bytes]]
Around = Callable[[Workers], AbstractContextManager[None]]


def side(number: int, around: Around) -> Side:
    """So many workers, with something ``around`` their work."""

    @contextmanager
    def ready(work: Work) -> Generator[Round]:
        accounts = work.of(ACCOUNTS, QUICK)
        store = databases.log(work, accounts * EVENTS, accounts)

        def one_round() -> Sample:
            with (
                databases.database(work) as read,
                working(number, __name__, store, read) as workers,
            ):
                return Sample(measured(read, accounts * EVENTS, workers, around))

        yield one_round

    return ready


def undisturbed(workers: Workers) -> AbstractContextManager[None]:
    """Let ``workers`` run as they like."""
    return nullcontext()


@contextmanager
def working(number: int, module: str, store: str, read: str) -> Generator[Workers]:
    """So many ``whence worker``, with the ``app`` of ``module``."""
    command = [sys.executable, "-m", "whence", "--app", f"{module}:app", "worker"]
    environment = {**os.environ, "WHENCE_STORE": store, "WHENCE_READ": read}
    workers = [
        subprocess.Popen(command, env=environment, stdout=_NOWHERE, stderr=_NOWHERE)
        for _ in range(number)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()


def measured(read: str, head: int, workers: Workers, around: Around) -> float:
    """Events per second, from when all workers have their share until all is handled."""
    with psycopg.connect(read, autocommit=True) as connection:
        until(lambda: answer(connection, _OWNERS) == len(workers))
        with around(workers):
            left, start = answer(connection, _LEFT, head), time.perf_counter()
            until(lambda: answer(connection, _LEFT, head) == 0)
            return max(left, 1.0) / (time.perf_counter() - start)


def answer(
    connection: psycopg.Connection[tuple[Any, ...]], question: LiteralString, *values: object
) -> float:
    """The only value; 0 as long as there is no such table."""
    with suppress(psycopg.errors.UndefinedTable):
        return float(connection.execute(question, values).fetchall()[0][0])
    return 0.0


def until(condition: Callable[[], bool]) -> None:
    """Return as soon as it holds."""
    while not condition():
        time.sleep(0.005)


FIGURE = Figure(
    "postgres.workers",
    "catching up on PostgreSQL, two worker processes",
    "events/s",
    {WHENCE: side(2, undisturbed), ONE: side(1, undisturbed)},
    (Goal(ONE, 1.6),),
    rounds=5,
)
