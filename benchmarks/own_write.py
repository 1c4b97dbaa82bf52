"""Sending a command, then reading what it did from the read model: the median of many.

* whence: ``receipt = await app.send(...)``, ``await app.read(Balance).get(id, after=receipt)``.
* floor: an insert in one transaction, an upsert with checkpoint in another file in another,
  and a select: what there is to do, without anybody who has to hear of it.
* peer: save, ``runner.wait(...)``, read the view. Its SQLite recorder cannot be subscribed to,
  so this is its bank in memory, with its view in memory: it writes nothing to a disk.
"""

# The peer is not in the environment of the checks, so its types are not known there.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

from benchmarks import bank, catching_up, floor
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from benchmarks.sqlite import SQLITE
from whence import App

ACCOUNTS, TIMES, PEER_TIMES, QUICK = 100, 200, 10, 5


def _median(times: int, once: Callable[[int], None], start: int) -> Sample:
    """Milliseconds that one of many takes."""
    took: list[float] = []
    with Stopwatch() as watch:
        for number in range(start, start + times):
            since = perf_counter()
            once(number)
            took.append(perf_counter() - since)
    return Sample(median(took) * 1e3, watch.cpu / times * 1e6)


@contextmanager
def whence(work: Work) -> Generator[Round]:
    accounts, times, done = work.of(ACCOUNTS, QUICK), work.of(TIMES, QUICK), 0

    def app_of(url: str) -> App:
        return App("bank", bank.Account, bank.Balance, store=url)

    bank.copy_of_log(work, accounts * 2, accounts)
    with bank.running(work, app_of) as app:

        async def many(start: int) -> Sample:
            took: list[float] = []
            with Stopwatch() as watch:
                for number in range(start, start + times):
                    command = bank.Deposit(*bank.deposit(number, accounts))
                    since = perf_counter()
                    receipt = await app.app.send(command, by=bank.BY, correlation=bank.CORRELATION)
                    balances = app.app.read(bank.Balance)
                    row = await balances.get(command.account_id, after=receipt)
                    took.append(perf_counter() - since)
                    assert row is not None
                    assert row.version == receipt.versions[f"account-{command.account_id}"]
            return Sample(median(took) * 1e3, watch.cpu / times * 1e6)

        def one_round() -> Sample:
            nonlocal done
            done += times
            return app.run(many(done))

        yield one_round


@contextmanager
def plain(work: Work) -> Generator[Round]:
    accounts, times = work.of(ACCOUNTS, QUICK), work.of(TIMES, QUICK)
    done = accounts * 2
    with (
        SQLITE.log(work, done, accounts) as log,
        SQLITE.empty(work) as database,
        SQLITE.balances(database) as balances,
    ):
        catching_up.follow(log, balances)

        def one_round() -> Sample:
            nonlocal done
            rows = floor.rows(bank.deposited(times, accounts, done))
            start, done = done, done + times

            def once(number: int) -> None:
                log.append(rows[number - start : number - start + 1])
                catching_up.follow(log, balances, number)
                assert balances.connection.execute(
                    "select * from balance where account_id = ?",
                    (bank.account(number % accounts),),
                ).fetchone()

            return _median(times, once, start)

        yield one_round


@contextmanager
def peer(work: Work) -> Generator[Round]:
    from benchmarks import peer

    accounts, times, done = work.of(ACCOUNTS, QUICK), work.of(PEER_TIMES, QUICK), 0
    with peer.projected() as runner:
        peer.open_accounts(runner.app, accounts, 2)

        def one_round() -> Sample:
            nonlocal done
            done += times
            return _median(
                times, lambda number: peer.send_and_read(runner, number, accounts), done
            )

        yield one_round


FIGURE = Figure(
    "own_write",
    "send, then read one's own write",
    "ms",
    {WHENCE: whence, FLOOR: plain, PEER: peer},
    (Goal(PEER, 20),),
    better="less",
)
