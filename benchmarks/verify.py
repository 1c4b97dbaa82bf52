"""Verifying a read model of a million events: every row is folded afresh and compared.

The log and the read model are those of `benchmarks.rebuild`.

* whence: ``app.verify(Balance)``, as `whence verify --all` does.
* rebuild: ``app.rebuild(Balance)`` of the same.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

from benchmarks import bank, rebuild
from benchmarks.backend import Backend
from benchmarks.harness import WHENCE, Figure, Goal, Round, Side, Work
from benchmarks.sqlite import SQLITE
from whence import App

REBUILD = "rebuild"


@contextmanager
def whence(work: Work, backend: Backend) -> Generator[Round]:
    async def verify(app: App, accounts: int) -> None:
        found = await app.verify(bank.Balance)
        assert found.in_sync
        assert found.rows == accounts

    with rebuild.caught_up(work, backend, verify) as one_round:
        yield one_round


def sides(backend: Backend) -> dict[str, Side]:
    """Both sides on ``backend``."""
    return {
        WHENCE: partial(whence, backend=backend),
        REBUILD: partial(rebuild.whence, backend=backend),
    }


FIGURE = Figure(
    "verify",
    "verifying a read model of a million events",
    "events/s",
    sides(SQLITE),
    (Goal(REBUILD, 1),),
    rounds=5,
)
