"""Catching up a read model on PostgreSQL from the first event, in the database of the log.

The log and the read model are those of `benchmarks.catching_up`.

* whence: from opening the application until a read answers ``after`` the last event.
* floor: ``select``, `json.loads`, an upsert per event (`executemany`, which psycopg pipelines)
  and the checkpoint, 500 events in each transaction.
* peer: its projection runner, from its start until `wait` returns: each event, with its tracking
  record, in a transaction of its own.
"""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import LiteralString

from benchmarks import bank
from benchmarks.catching_up import ACCOUNTS, AT_ONCE, EVENTS, QUICK
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from benchmarks.postgres import databases, floor
from whence import App

PEER_ACCOUNTS = 50

SCHEMA: LiteralString = """
create table balance (
    account_id text collate "C" not null primary key,
    owner      text collate "C" not null,
    balance    bigint not null,
    version    bigint not null
);
create index balance_by_owner on balance (owner);
create table checkpoints (name text primary key, position bigint not null);
insert into checkpoints values ('balance', 0);
"""
_PAGE: LiteralString = (
    "select position, version, type, data from events where position > %b order by position"
    " limit %b"
)
_UPSERT: LiteralString = """
insert into balance (account_id, owner, balance, version) values (%b, %b, %b, %b)
on conflict (account_id) do update set
    balance = balance.balance + excluded.balance, version = excluded.version
"""
_CHECKPOINT: LiteralString = "update checkpoints set position = %b where name = 'balance'"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    log = databases.log(work, accounts * EVENTS, accounts)

    async def catch_up(app: App) -> bank.Balance | None:
        async with app:
            balances = app.read(bank.Balance)
            return await balances.get(bank.account(0), after=accounts * EVENTS, timeout=600)

    def one_round() -> Sample:
        with databases.database(work, log) as url:
            app = App("bank", bank.Account, bank.Balance, store=url)
            with Stopwatch() as watch:
                row = asyncio.run(catch_up(app))
        assert row is not None
        assert row.version == EVENTS
        return watch.rate(accounts * EVENTS)

    yield one_round


@contextmanager
def plain(work: Work) -> Generator[Round]:
    accounts = work.of(ACCOUNTS, QUICK)
    log = floor.log(work, accounts * EVENTS, accounts)

    def one_round() -> Sample:
        with databases.database(work, log) as url:
            with Stopwatch() as watch, floor.connect(url) as connection:
                catch_up(connection)
            return watch.rate(accounts * EVENTS)

    yield one_round


def catch_up(connection: floor.Connection) -> None:
    """Write what the log holds."""
    connection.execute(SCHEMA, prepare=False)
    cursor, position = connection.cursor(binary=True), 0
    while page := cursor.execute(_PAGE, (position, AT_ONCE)).fetchall():
        rows: list[tuple[str, str, int, int]] = []
        for _, version, type, data in page:
            event = json.loads(data)
            if type == "MoneyDeposited":
                rows.append((event["account_id"], "", event["amount"], version))
            elif type == "AccountOpened":
                rows.append((event["account_id"], event["owner"], 0, version))
        position = page[-1][0]
        with connection.transaction():
            cursor.executemany(_UPSERT, rows)
            cursor.execute(_CHECKPOINT, (position,))


@contextmanager
def peer(work: Work) -> Generator[Round]:
    from benchmarks.postgres import peer

    events = work.of(PEER_ACCOUNTS, QUICK) * EVENTS
    log = peer.log(work, events, events // EVENTS)

    def one_round() -> Sample:
        with databases.database(work, log) as url, Stopwatch() as watch:
            balance = peer.catch_up(url, events)
        assert balance > 0
        return watch.rate(events)

    yield one_round


FIGURE = Figure(
    "postgres.catching_up",
    "catching up a read model on PostgreSQL",
    "events/s",
    {WHENCE: whence, FLOOR: plain, PEER: peer},
    (Goal(FLOOR, 0.5), Goal(PEER, 30)),
    rounds=5,
)
