"""Commands, 64 at a time: load an account of ten events, decide, store one more.

* whence: `App.send` with default settings, so accounts that were used lately are in its cache.
* whence, cold: the same with ``cached=0``, so every command reads its account's events.
* floor: rows with the same bytes, 64 in each transaction. It loads and decides nothing.
* peer: ``repository.get``, a method of the aggregate, ``save``, in 8 threads.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from benchmarks import bank, floor
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from whence import App

AT_ONCE = 64
ACCOUNTS = (1_000, 64)
EVENTS = 10


def _whence(work: Work, cached: int, count: int) -> Iterator[Round]:
    accounts, sent = work.of(*ACCOUNTS), 0
    with bank.running(
        work, lambda url: App("bank", bank.Account, store=url, cached=cached)
    ) as app:
        app.open_accounts(accounts, EVENTS)

        def one_round() -> Sample:
            nonlocal sent
            commands = bank.deposits(count, accounts, sent)
            sent += count
            return app.send(commands, AT_ONCE)

        yield one_round


@contextmanager
def whence(work: Work) -> Generator[Round]:
    yield from _whence(work, 1024, work.of(12_800, 128))


@contextmanager
def cold(work: Work) -> Generator[Round]:
    yield from _whence(work, 0, work.of(3_200, 128))


@contextmanager
def plain(work: Work) -> Generator[Round]:
    accounts, count = work.of(*ACCOUNTS), work.of(12_800, 128)
    connection = floor.connect(work.folder / "floor.db")
    floor.append(connection, floor.rows(bank.history(accounts * EVENTS, accounts)), AT_ONCE)
    done = accounts * EVENTS

    def one_round() -> Sample:
        nonlocal done
        events = bank.history(done + count, accounts, done)
        rows, done = floor.rows(events), done + count
        with Stopwatch() as watch:
            floor.append(connection, rows, AT_ONCE)
        return watch.rate(count)

    yield one_round
    connection.close()


@contextmanager
def peer(work: Work) -> Generator[Round]:
    from benchmarks import peer

    accounts, count, sent = work.of(400, 16), work.of(800, 16), 0
    with peer.running(work.folder) as app:
        peer.open_accounts(app, accounts, EVENTS)

        def one_round() -> Sample:
            nonlocal sent
            commands = [bank.deposit(n, accounts) for n in range(sent, sent + count)]
            sent += count
            return peer.send(app, commands, peer.THREADS)

        yield one_round


FIGURE = Figure(
    "commands_concurrent",
    "commands, 64 at a time",
    "commands/s",
    {WHENCE: whence, "whence, cold": cold, FLOOR: plain, PEER: peer},
    (Goal(FLOOR, 0.5), Goal(PEER, 20)),
)
