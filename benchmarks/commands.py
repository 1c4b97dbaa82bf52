"""Commands: load an account, decide a deposit, store one more event.

The log holds 100,000 events, ten of each account. Every tenth account is busy: deposits go to the
busy ones in turn, so in each transaction every row belongs to another stream.

* whence: `App.send` with default settings; busy accounts are in its cache of 1,024.
* whence, cold: the same, but deposits go to all accounts in turn, so none is in the cache and
  every command reads its account's ten events.
* floor: rows with the same bytes, for the busy accounts. It loads and decides nothing.
* peer: ``repository.get``, a method of the aggregate, ``save``, for all accounts in turn, so that
  these have ten events to read, too. By default it has no cache.
"""

from collections.abc import Generator
from contextlib import closing, contextmanager
from itertools import count

from benchmarks import bank, floor
from benchmarks.harness import Round, Sample, Stopwatch, Work
from whence import App

ACCOUNTS, EVENTS, APART = (10_000, 640), 10, 10
LATELY = (1_000, 64)
"""So many accounts have been used when the first round begins."""


@contextmanager
def whence(work: Work, times: int, at_once: int, apart: int = APART) -> Generator[Round]:
    accounts, lately = work.of(*ACCOUNTS), work.of(*LATELY)
    busy, times = accounts // apart, work.of(times, at_once)
    bank.copy_of_log(work, accounts * EVENTS, accounts)
    with bank.running(work, lambda url: App("bank", bank.Account, store=url)) as app:
        app.send(bank.deposits(lately, busy, 0, apart), 64)
        begin = count(lately, times)
        yield lambda: app.send(bank.deposits(times, busy, next(begin), apart), at_once)


@contextmanager
def cold(work: Work, times: int, at_once: int) -> Generator[Round]:
    with whence(work, times, at_once, apart=1) as one_round:
        yield one_round


@contextmanager
def plain(work: Work, times: int, at_once: int) -> Generator[Round]:
    accounts, times = work.of(*ACCOUNTS), work.of(times, at_once)
    busy, begin = accounts // APART, count(0, times)
    with closing(floor.connect(work.folder / "floor.db")) as log:
        floor.append(log, floor.rows(bank.history(accounts * EVENTS, accounts)), 1_000)

        def one_round() -> Sample:
            rows = floor.rows(bank.deposited(times, busy, next(begin), APART, EVENTS))
            with Stopwatch() as watch:
                floor.append(log, rows, at_once)
            return watch.rate(times)

        yield one_round


@contextmanager
def peer(work: Work, times: int, threads: int) -> Generator[Round]:
    from benchmarks import peer

    accounts, times = work.of(*ACCOUNTS), work.of(times, threads)
    begin = count(0, times)
    peer.copy_of_log(work, accounts * EVENTS, accounts)
    with peer.running(work.folder) as app:

        def one_round() -> Sample:
            start = next(begin)
            commands = [bank.deposit(n, accounts) for n in range(start, start + times)]
            return peer.send(app, commands, threads)

        yield one_round
