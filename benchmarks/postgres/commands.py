"""Commands on PostgreSQL: the same accounts, log and sides as in `benchmarks.commands`.

The floor inserts one row in each transaction, however many are sent at once: grouping commits is
what whence does about a disk that can be told only so often to keep something.
"""

from collections.abc import Generator
from contextlib import contextmanager
from itertools import count

from benchmarks import bank
from benchmarks.commands import ACCOUNTS, APART, EVENTS, LATELY
from benchmarks.floor import rows
from benchmarks.harness import Round, Sample, Work
from benchmarks.postgres import databases, floor
from whence import App


@contextmanager
def whence(work: Work, times: int, at_once: int, apart: int = APART) -> Generator[Round]:
    accounts, lately = work.of(*ACCOUNTS), work.of(*LATELY)
    busy, times = accounts // apart, work.of(times, at_once)
    log = databases.log(work, accounts * EVENTS, accounts)
    with (
        databases.database(work, log) as url,
        bank.entered(App("bank", bank.Account, store=url)) as app,
    ):
        app.send(bank.deposits(lately, busy, 0, apart), 64)
        begin = count(lately, times)
        yield lambda: app.send(bank.deposits(times, busy, next(begin), apart), at_once)


@contextmanager
def cold(work: Work, times: int, at_once: int) -> Generator[Round]:
    with whence(work, times, at_once, apart=1) as one_round:
        yield one_round


@contextmanager
def plain(work: Work, times: int, connections: int) -> Generator[Round]:
    accounts, times = work.of(*ACCOUNTS), work.of(times, connections)
    busy, begin = accounts // APART, count(0, times)
    template = floor.log(work, accounts * EVENTS, accounts)
    with (
        databases.database(work, template) as url,
        floor.opened(url, work.of(connections, 2)) as log,
    ):
        yield lambda: log.append(rows(bank.deposited(times, busy, next(begin), APART, EVENTS)))


@contextmanager
def peer(work: Work, times: int, threads: int) -> Generator[Round]:
    from benchmarks import peer
    from benchmarks.postgres import peer as on_postgres

    accounts, times = work.of(*ACCOUNTS), work.of(times, threads)
    begin = count(0, times)
    template = on_postgres.log(work, accounts * EVENTS, accounts)
    with databases.database(work, template) as url, on_postgres.running(url) as app:

        def one_round() -> Sample:
            start = next(begin)
            commands = [bank.deposit(n, accounts) for n in range(start, start + times)]
            return peer.send(app, commands, threads)

        yield one_round
