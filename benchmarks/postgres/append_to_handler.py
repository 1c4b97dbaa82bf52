"""From a command that is due to the handler that gets its event, in another process: the p99.

The load is a quarter of what the same process can send, 64 at a time. Commands are sent when they
are due, however long the answers to earlier ones take, and the time counts from there: deciding,
appending, hearing of it and reading. The handler is a `Projection` in a ``whence worker``; it
keeps the times in memory, and writes them down when the round is over.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from time import monotonic
from typing import ClassVar

import psycopg
from sqlalchemy import Column, Connection, Float, Table
from sqlalchemy import MetaData as Tables

from benchmarks import bank
from benchmarks.commands import ACCOUNTS, APART, EVENTS, LATELY
from benchmarks.harness import WHENCE, Figure, Limit, Round, Sample, Work
from benchmarks.postgres import workers
from benchmarks.postgres.backend import POSTGRES
from whence import App, Projection, project

FULL, SECONDS, QUICK = 6_400, 3, 50

delays = Table("delays", Tables(), Column("seconds", Float))


class Delays(Projection):
    """How long each deposit took to get here; its reference says when it was due."""

    tables = [delays]
    seconds: ClassVar[list[float]] = []

    @project
    def _(self, event: bank.MoneyDeposited, connection: Connection) -> None:
        if event.note == "":
            self.seconds.append(monotonic() - float(event.reference))

    @project
    def _(self, event: bank.AccountOpened, connection: Connection) -> None:
        if self.seconds:
            connection.execute(delays.insert(), [{"seconds": took} for took in self.seconds])
            self.seconds.clear()


app = App("bank", bank.Account, Delays)
"""What the worker runs."""

_HANDLED = "select count(*) from delays"
_P99 = "select percentile_cont(0.99) within group (order by seconds) from delays"


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts, lately = work.of(*ACCOUNTS), work.of(*LATELY)
    busy = accounts // APART
    with (
        POSTGRES.store(work, accounts * EVENTS, accounts) as url,
        bank.entered(App("bank", bank.Account, store=url)) as sender,
    ):
        sender.send(bank.deposits(lately, busy, 0, APART), 64)
        full = sender.send(bank.deposits(work.of(FULL, QUICK), busy, lately, APART), 64).value
        times, begin = work.of(round(full / 4 * SECONDS), QUICK), count()

        def one_round() -> Sample:
            number = next(begin)
            sender.run(paced(sender.app, times, full / 4, number * times, busy))
            sender.run(sender.app.send(bank.OpenAccount(f"over-{number}", "nobody")))
            return Sample(measured(url, times) * 1e3)

        with workers.working(1, __name__, url, url):
            one_round()  # until it has caught up, and its statements are prepared
            yield one_round


async def paced(app: App, times: int, rate: float, start: int, busy: int) -> None:
    """Send deposits at a steady ``rate``."""
    begin, sent = monotonic(), list[asyncio.Task[object]]()
    for number in range(times):
        due = begin + number / rate
        if (early := due - monotonic()) > 0:
            await asyncio.sleep(early)
        account = bank.account((start + number) % busy * APART)
        deposit = bank.Deposit(account, 1, "EUR", str(due), "")
        send = app.send(deposit, by=bank.BY, correlation=bank.CORRELATION)
        sent.append(asyncio.create_task(send))
    await asyncio.gather(*sent)


def measured(url: str, times: int) -> float:
    """The p99 in seconds, when so many have been written down; they are forgotten then."""
    with psycopg.connect(url, autocommit=True) as connection:
        workers.until(lambda: workers.answer(connection, _HANDLED) == times)
        p99 = workers.answer(connection, _P99)
        connection.execute("truncate delays")
    return p99


FIGURE = Figure(
    "postgres.append_to_handler",
    "append to handler at a quarter of full load, p99",
    "ms",
    {WHENCE: whence},
    (Limit(50),),
    better="less",
    rounds=5,
)
