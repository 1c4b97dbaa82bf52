"""Rebuilding a read model of a million events on PostgreSQL, in the database of the log.

The log and the read model are those of `benchmarks.rebuild`.

* whence: ``app.rebuild(Balance)`` from the call until the tables have changed places, by the one
  process that follows the log.
* floor: raw bulk load: a server-side cursor, `json.loads`, a `dict` of rows in memory, and one
  ``copy`` into an empty table with the same index, in one transaction.
* plain catch-up: what one worker does without bulk load: pages of 500 events, `json.loads`, an
  upsert per event (`executemany`, which psycopg pipelines) and the checkpoint in each transaction,
  as the floor of `benchmarks.postgres.catching_up`; over a tenth of the log, since it takes long.
* whence, catching up: the same read model led along the log in pages, from the first event on.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import LiteralString

from benchmarks import bank, rebuild
from benchmarks.harness import FLOOR, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from benchmarks.postgres import catching_up, databases, floor
from benchmarks.rebuild import ACCOUNTS, EVENTS, QUICK

PLAIN, CATCHING_UP = "plain catch-up", "whence, catching up"

_LOG: LiteralString = "select position, version, type, data from events order by position"
_COPY: LiteralString = "copy balance (account_id, owner, balance, version) from stdin"
_CHECKPOINT: LiteralString = "update checkpoints set position = %b where name = 'balance'"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    log = databases.log(work, accounts * EVENTS, accounts)
    with databases.database(work, log) as url:
        yield rebuild.rebuilding(url, accounts)


@contextmanager
def following(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    log = databases.log(work, accounts * EVENTS, accounts)

    async def catch_up(url: str) -> None:
        async with rebuild.make(url) as app:
            last = accounts * EVENTS
            assert await app.read(bank.Balance).get(bank.account(0), after=last, timeout=600)

    def one_round() -> Sample:
        with databases.database(work, log) as url, Stopwatch() as watch:
            asyncio.run(catch_up(url))
        return watch.rate(accounts * EVENTS)

    yield one_round


@contextmanager
def plain(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    log = floor.log(work, accounts * EVENTS, accounts)

    def one_round() -> Sample:
        with databases.database(work) as read:
            with Stopwatch() as watch, floor.connect(log) as source, floor.connect(read) as target:
                load(source, target)
            return watch.rate(accounts * EVENTS)

    yield one_round


def load(source: floor.Connection, target: floor.Connection) -> None:
    """Fold the whole log in memory, and write what comes out."""
    with source.transaction(), source.cursor("log", binary=True) as log:
        log.itersize = 10_000
        balances, position = rebuild.folded(log.execute(_LOG))
    target.execute(catching_up.SCHEMA, prepare=False)
    with target.transaction(), target.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for id, row in balances.items():
                copy.write_row((id, *row))
        cursor.execute(_CHECKPOINT, (position,))


@contextmanager
def page_by_page(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS // 10, QUICK)
    log = floor.log(work, accounts * EVENTS, accounts)

    def one_round() -> Sample:
        with databases.database(work, log) as url:
            with Stopwatch() as watch, floor.connect(url) as connection:
                catching_up.catch_up(connection)
            return watch.rate(accounts * EVENTS)

    yield one_round


FIGURE = Figure(
    "postgres.rebuild",
    "rebuilding a read model of a million events on PostgreSQL",
    "events/s",
    {WHENCE: whence, FLOOR: plain, PLAIN: page_by_page, CATCHING_UP: following},
    (Goal(FLOOR, 0.4), Goal(PLAIN, 5)),
    rounds=5,
)
