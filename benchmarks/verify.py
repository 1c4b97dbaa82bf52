"""Verifying a read model of a million events: every row is folded afresh and compared.

The log and the read model are those of `benchmarks.rebuild`.

* whence: ``app.verify(Balance)``, as `whence verify --all` does.
* rebuild: ``app.rebuild(Balance)`` of the same.
"""

from collections.abc import Generator
from contextlib import contextmanager

from benchmarks import bank, rebuild
from benchmarks.harness import WHENCE, Figure, Goal, Round, Work
from benchmarks.rebuild import ACCOUNTS, EVENTS, QUICK
from whence import App

REBUILD = "rebuild"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    bank.copy_of_log(work, accounts * EVENTS, accounts)
    yield verifying(f"sqlite:///{work.folder}/bank.db", accounts)


def verifying(url: str, accounts: int) -> Round:
    """Rounds of verifying what has caught up."""

    async def verify(app: App) -> None:
        found = await app.verify(bank.Balance)
        assert found.in_sync
        assert found.rows == accounts

    return rebuild.rounds(url, accounts, verify)


FIGURE = Figure(
    "verify",
    "verifying a read model of a million events",
    "events/s",
    {WHENCE: whence, REBUILD: rebuild.whence},
    (Goal(REBUILD, 1),),
    rounds=5,
)
