"""Verifying a read model of a million events on PostgreSQL. See `benchmarks.verify`."""

from collections.abc import Generator
from contextlib import contextmanager

from benchmarks import verify
from benchmarks.harness import WHENCE, Figure, Goal, Round, Work
from benchmarks.postgres import databases, rebuild
from benchmarks.rebuild import ACCOUNTS, EVENTS, QUICK


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    log = databases.log(work, accounts * EVENTS, accounts)
    with databases.database(work, log) as url:
        yield verify.verifying(url, accounts)


FIGURE = Figure(
    "postgres.verify",
    "verifying a read model of a million events on PostgreSQL",
    "events/s",
    {WHENCE: whence, verify.REBUILD: rebuild.whence},
    (Goal(verify.REBUILD, 1),),
    rounds=5,
)
