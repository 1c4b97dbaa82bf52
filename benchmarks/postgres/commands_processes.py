"""Commands from four processes at once, each 16 at a time, against the same raw inserts.

Each process has accounts of its own, as when requests are routed by account; all of them write
to one log. The processes are told together to begin, and the time ends with the last of them.
"""

import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from subprocess import PIPE, Popen

from benchmarks import bank, commands
from benchmarks.commands import ACCOUNTS, APART, EVENTS
from benchmarks.harness import FLOOR, WHENCE, Figure, Goal, Round, Sample, Stopwatch, Work
from benchmarks.postgres.backend import POSTGRES
from whence import App

PROCESSES, AT_ONCE = 4, 16


@contextmanager
def whence(work: Work, times: int) -> Generator[Round]:
    accounts, each = work.of(*ACCOUNTS), work.of(times, PROCESSES * AT_ONCE) // PROCESSES
    with POSTGRES.store(work, accounts * EVENTS, accounts) as url, ExitStack() as stack:
        senders = [stack.enter_context(_sender(url, n, accounts)) for n in range(PROCESSES)]
        begin = count(0, each)
        _send(senders, next(begin), each)  # until states are cached and statements prepared

        def one_round() -> Sample:
            with Stopwatch() as watch:
                _send(senders, next(begin), each)
            return Sample(PROCESSES * each / watch.wall)

        yield one_round


def _send(senders: list[Popen[str]], start: int, times: int) -> None:
    for sender in senders:
        assert sender.stdin
        sender.stdin.write(f"{start} {times}\n")
        sender.stdin.flush()
    for sender in senders:
        assert sender.stdout
        assert sender.stdout.readline() == "done\n"


@contextmanager
def _sender(url: str, number: int, accounts: int) -> Generator[Popen[str]]:
    command = [sys.executable, "-m", __name__, url, str(number), str(accounts)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as sender:
        try:
            yield sender
        finally:
            assert sender.stdin
            sender.stdin.close()  # which ends it


def main(url: str, number: int, accounts: int) -> None:
    """Be the process ``number``: send what each line of the input says."""
    busy, apart = accounts // APART // PROCESSES, APART * PROCESSES
    with bank.entered(App("bank", bank.Account, store=url)) as app:
        for line in sys.stdin:
            start, times = map(int, line.split())
            app.send(bank.deposits(times, busy, start, apart, number * APART), AT_ONCE)
            print("done", flush=True)


FIGURE = Figure(
    "postgres.commands_processes",
    "commands on PostgreSQL, 4 processes of 16",
    "commands/s",
    {
        WHENCE: partial(whence, times=6_400),
        FLOOR: partial(commands.plain, backend=POSTGRES, load=(4_800, 32)),
    },
    (Goal(FLOOR, 0.8),),
    rounds=7,
)

if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
