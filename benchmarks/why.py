"""Why a balance is what it is: an account of 1,000 events in a log of a million.

* whence: ``app.why(Balance, id, "balance")``: each event found, typed, folded and compared, the
  newest first.
* floor: ``select`` of the account's events, `json.loads`, and a list of what changed.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from time import perf_counter

from benchmarks import bank
from benchmarks.backend import Backend, Log
from benchmarks.harness import FLOOR, WHENCE, Figure, Round, Sample, Side, Surplus, Work
from benchmarks.sqlite import SQLITE
from whence import App

EVENTS, ACCOUNTS = (1_000_000, 1_000), (1_000, 10)
ID = bank.account(7)


@contextmanager
def whence(work: Work, backend: Backend) -> Generator[Round]:
    events, accounts = work.of(*EVENTS), work.of(*ACCOUNTS)
    with (
        backend.store(work, events, accounts) as url,
        bank.entered(App("bank", bank.Account, bank.Balance, store=url, projecting=False)) as app,
    ):

        def one_round() -> Sample:
            start = perf_counter()
            reasons = app.run(app.app.why(bank.Balance, ID, "balance"))
            took = perf_counter() - start
            assert len(reasons) == events // accounts
            return Sample(took * 1e3)

        yield one_round


@contextmanager
def plain(work: Work, backend: Backend) -> Generator[Round]:
    events, accounts = work.of(*EVENTS), work.of(*ACCOUNTS)
    with backend.log(work, events, accounts) as log:

        def one_round() -> Sample:
            start = perf_counter()
            changes = _changes(log, f"account-{ID}")
            took = perf_counter() - start
            assert len(changes) == events // accounts
            return Sample(took * 1e3)

        yield one_round


def _changes(log: Log, stream: str) -> list[tuple[int, int, str]]:
    """Each change of the balance, and who made it."""
    balance, changes = 0, list[tuple[int, int, str]]()
    for type, data, metadata in log.stream(stream):
        before = balance
        balance += json.loads(data)["amount"] if type == "MoneyDeposited" else 0
        changes.append((before, balance, json.loads(metadata)["by"]))
    return changes[::-1]


def sides(backend: Backend) -> dict[str, Side]:
    """Both sides on ``backend``."""
    return {WHENCE: partial(whence, backend=backend), FLOOR: partial(plain, backend=backend)}


FIGURE = Figure(
    "why",
    "why a value is what it is: 1,000 events of a million",
    "ms",
    sides(SQLITE),
    (Surplus(FLOOR, 50),),
    better="less",
)
