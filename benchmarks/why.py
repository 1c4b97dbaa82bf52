"""Why a balance is what it is: an account of 1,000 events in a log of a million.

* whence: ``app.why(Balance, id, "balance")``: each event found, typed, folded and compared, the
  newest first.
* floor: ``select`` of the account's events, `json.loads`, and a list of what changed.
"""

import json
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from time import perf_counter

from benchmarks import bank, floor
from benchmarks.harness import FLOOR, WHENCE, Figure, Round, Sample, Surplus, Work
from whence import App

EVENTS, ACCOUNTS = (1_000_000, 1_000), (1_000, 10)
ID = bank.account(7)

_EVENTS = "select type, data, metadata from events where stream = ? order by version"


def make(url: str) -> App:
    return App("bank", bank.Account, bank.Balance, store=url, projecting=False)


@contextmanager
def whence(work: Work) -> Generator[Round]:
    events, accounts = work.of(*EVENTS), work.of(*ACCOUNTS)
    bank.copy_of_log(work, events, accounts)
    with bank.running(work, make) as app:
        yield lambda: explained(app, events // accounts)


def explained(app: bank.Running, events: int) -> Sample:
    """Milliseconds."""
    start = perf_counter()
    reasons = app.run(app.app.why(bank.Balance, ID, "balance"))
    took = perf_counter() - start
    assert len(reasons) == events
    return Sample(took * 1e3)


@contextmanager
def plain(work: Work) -> Generator[Round]:
    events, accounts = work.of(*EVENTS), work.of(*ACCOUNTS)
    with closing(floor.connect(work.folder / "floor.db")) as connection:
        floor.append(connection, floor.rows(bank.history(events, accounts)), 1_000)

        def one_round() -> Sample:
            start = perf_counter()
            changes = _changes(connection, f"account-{ID}")
            took = perf_counter() - start
            assert len(changes) == events // accounts
            return Sample(took * 1e3)

        yield one_round


def _changes(connection: sqlite3.Connection, stream: str) -> list[tuple[int, int, str]]:
    """Each change of the balance, and who made it."""
    balance, changes = 0, list[tuple[int, int, str]]()
    for type, data, metadata in connection.execute(_EVENTS, (stream,)):
        before = balance
        balance += json.loads(data)["amount"] if type == "MoneyDeposited" else 0
        changes.append((before, balance, json.loads(metadata)["by"]))
    return changes[::-1]


FIGURE = Figure(
    "why",
    "why a value is what it is: 1,000 events of a million",
    "ms",
    {WHENCE: whence, FLOOR: plain},
    (Surplus(FLOOR, 50),),
    better="less",
)
