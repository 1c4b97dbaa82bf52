"""Why a balance is what it is, on PostgreSQL: the log and the question of `benchmarks.why`.

* whence: ``app.why(Balance, id, "balance")``.
* floor: ``select`` of the account's events, and `json.loads` of each.
"""

import json
from collections.abc import Generator
from contextlib import contextmanager
from time import perf_counter
from typing import LiteralString

from benchmarks import bank, why
from benchmarks.harness import FLOOR, WHENCE, Figure, Round, Sample, Surplus, Work
from benchmarks.postgres import databases, floor

_EVENTS: LiteralString = (
    "select type, data, metadata from events where stream = %b order by version"
)


@contextmanager
def whence(work: Work) -> Generator[Round]:
    events, accounts = work.of(*why.EVENTS), work.of(*why.ACCOUNTS)
    log = databases.log(work, events, accounts)
    with bank.running(work, lambda _: why.make(log)) as app:
        yield lambda: why.explained(app, events // accounts)


@contextmanager
def plain(work: Work) -> Generator[Round]:
    events, accounts = work.of(*why.EVENTS), work.of(*why.ACCOUNTS)
    with floor.connect(floor.log(work, events, accounts)) as connection:

        def one_round() -> Sample:
            start = perf_counter()
            found = connection.execute(_EVENTS, (f"account-{why.ID}",), binary=True).fetchall()
            amounts = [json.loads(data).get("amount", 0) for _, data, _ in found]
            took = perf_counter() - start
            assert len(amounts) == events // accounts
            return Sample(took * 1e3)

        yield one_round


FIGURE = Figure(
    "postgres.why",
    "why a value is what it is, on PostgreSQL",
    "ms",
    {WHENCE: whence, FLOOR: plain},
    (Surplus(FLOOR, 50),),
    better="less",
)
