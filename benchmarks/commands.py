"""Commands: load an account, decide a deposit, store one more event.

The log holds 100,000 events, ten of each account. Every tenth account is busy: deposits go to the
busy ones in turn, so in each transaction every row belongs to another stream.

* whence: `App.send` with default settings; busy accounts are in its cache of 1,024.
* whence, cold: the same, but deposits go to all accounts in turn, so none is in the cache and
  every command reads its account's ten events.
* floor: rows with the same bytes, for the busy accounts. It loads and decides nothing. On SQLite
  what is sent at once shares a transaction. On PostgreSQL each row has a transaction of its own,
  in as many connections: grouping commits is what whence does about a disk that can be told only
  so often to keep something.
* peer: ``repository.get``, a method of the aggregate, ``save``, for all accounts in turn, so that
  these have ten events to read, too. By default it has no cache.
"""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from itertools import count

from benchmarks import bank
from benchmarks.backend import Backend
from benchmarks.floor import rows
from benchmarks.harness import FLOOR, PEER, WHENCE, Round, Sample, Side, Work
from whence import App

ACCOUNTS, EVENTS, APART = (10_000, 640), 10, 10
LATELY = (1_000, 64)
"""So many accounts have been used when the first round begins."""

Load = tuple[int, int]
"""How many in a round, and how many at once: so many are enough to see that it works."""


@contextmanager
def whence(work: Work, backend: Backend, load: Load, apart: int = APART) -> Generator[Round]:
    accounts, lately, times = work.of(*ACCOUNTS), work.of(*LATELY), work.of(*load)
    busy, at_once = accounts // apart, load[1]
    with (
        backend.store(work, accounts * EVENTS, accounts) as url,
        bank.entered(App("bank", bank.Account, store=url)) as app,
    ):
        app.send(bank.deposits(lately, busy, 0, apart), 64)
        begin = count(lately, times)
        yield lambda: app.send(bank.deposits(times, busy, next(begin), apart), at_once)


@contextmanager
def plain(work: Work, backend: Backend, load: Load) -> Generator[Round]:
    accounts, times = work.of(*ACCOUNTS), work.of(*load)
    busy, begin = accounts // APART, count(0, times)
    with backend.log(work, accounts * EVENTS, accounts, at_once=load[1]) as log:
        yield lambda: log.append(rows(bank.deposited(times, busy, next(begin), APART, EVENTS)))


@contextmanager
def peer(work: Work, backend: Backend, load: Load) -> Generator[Round]:
    from benchmarks import peer

    accounts, times, threads = work.of(*ACCOUNTS), work.of(*load), load[1]
    begin = count(0, times)
    with backend.peer(work, accounts * EVENTS, accounts) as app:

        def one_round() -> Sample:
            start = next(begin)
            commands = [bank.deposit(n, accounts) for n in range(start, start + times)]
            return peer.send(app, commands, threads)

        yield one_round


def sides(
    backend: Backend, *, warm: Load, cold: Load, floor: Load, other: Load
) -> dict[str, Side]:
    """The four sides on ``backend``, each with its load; ``other`` is the peer's."""
    return {
        WHENCE: partial(whence, backend=backend, load=warm),
        "whence, cold": partial(whence, backend=backend, load=cold, apart=1),
        FLOOR: partial(plain, backend=backend, load=floor),
        PEER: partial(peer, backend=backend, load=other),
    }
