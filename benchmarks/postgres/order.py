"""What order costs: the append function with three ways to let readers see events in order.

32 connections call it without a pause, for one event in a stream of its own each time.

* whence: a lock that all appends share, from before the position is drawn until the commit;
  readers go as far as the lowest of these locks.
* one lock: an advisory lock that one append has alone, until its commit: nobody is overtaken.
* xid8: no lock; each row says which transaction it came from, with an index on that, and readers
  go as far as the oldest transaction that still runs, in whatever database.
"""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from typing import Any, LiteralString

import psycopg
from psycopg.pq import ExecStatus

from benchmarks import bank
from benchmarks.commands import ACCOUNTS, EVENTS
from benchmarks.harness import WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from benchmarks.postgres.backend import POSTGRES
from benchmarks.postgres.floor import Connection
from whence.backends.postgres.appending import Call, Manner, one_call
from whence.envelope import NewEvent, new_id
from whence.store import Commit

CONNECTIONS, TIMES = (32, 2), (4_800, 20)
ONE, XID = "one lock", "xid8"

_ALONE: LiteralString = """
create or replace function whence.enter() returns void
    language sql as $$ select pg_advisory_xact_lock(1) $$
"""
_MARKED: LiteralString = """
create or replace function whence.enter() returns void
    language plpgsql as $$ begin end $$;
alter table whence.events add xid xid8 not null default pg_current_xact_id();
create index on whence.events (xid, position)
"""


@contextmanager
def appending(work: Work, change: LiteralString = "") -> Generator[Round]:
    accounts, times, number = work.of(*ACCOUNTS), work.of(*TIMES), count()
    with POSTGRES.store(work, accounts * EVENTS, accounts) as url, ExitStack() as stack:
        made = [
            stack.enter_context(psycopg.connect(url, autocommit=True))
            for _ in range(work.of(*CONNECTIONS))
        ]
        if change:
            made[0].execute(change)
        threads = stack.enter_context(ThreadPoolExecutor(len(made)))

        def one_round() -> Sample:
            calls = [_call(next(number)) for _ in range(times)]
            shares = [calls[place :: len(made)] for place in range(len(made))]
            with Stopwatch() as watch:
                list(threads.map(_append, made, shares))
            return watch.rate(times)

        yield one_round


def _call(number: int) -> Call:
    stream = f"order-{number}"
    data = f'{{"number": {number}, "note": "{bank.NOTE}"}}'.encode()
    new = NewEvent("Ordered", data, stream, (), bank.METADATA, bank.MICROS)
    return one_call(Commit(new_id(), [new], {stream: 0}), Manner("whence", "10s"))


def _append(connection: Connection, calls: Sequence[Call]) -> None:
    server = connection.pgconn
    formats = [1] * len(calls[0].parameters)
    server.prepare(b"", calls[0].statement.encode())
    for call in calls:
        values: list[Any] = list(call.parameters)  # psycopg's types do not know of nulls here
        result = server.exec_prepared(b"", values, formats)
        assert result.status == ExecStatus.TUPLES_OK, result.get_error_message()


FIGURE = Figure(
    "postgres.order",
    "appending in order on PostgreSQL, 32 connections",
    "appends/s",
    {
        WHENCE: appending,
        ONE: partial(appending, change=_ALONE),
        XID: partial(appending, change=_MARKED),
    },
    (Goal(ONE, 2), Goal(XID, 0.9)),
    rounds=5,
)
