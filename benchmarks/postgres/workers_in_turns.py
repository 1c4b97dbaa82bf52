"""The same as `workers`, with as many cores as processes, on a machine that has two.

Each worker runs half of the time, in turns of ten milliseconds; of two workers, one stands still
while the other runs. So a core is always free for the worker whose turn it is, and another for the
server: two workers are to one what they would be if each had a core, half as fast as these, to
itself.
"""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Thread

from benchmarks.harness import WHENCE, Figure, Goal
from benchmarks.postgres.workers import ONE, Workers, side

_TURN = 0.01


@contextmanager
def in_turns(workers: Workers) -> Generator[None]:
    """Let ``workers`` run in turns of two."""
    done = Event()

    def turn() -> None:
        number = 0
        while not done.wait(_TURN):
            number += 1
            for place, worker in enumerate(workers):
                mine = place == number % 2
                worker.send_signal(signal.SIGCONT if mine else signal.SIGSTOP)

    turning = Thread(target=turn)
    turning.start()
    try:
        yield
    finally:
        done.set()
        turning.join()
        for worker in workers:
            worker.send_signal(signal.SIGCONT)


FIGURE = Figure(
    "postgres.workers_in_turns",
    "the same, each worker half of the time, in turns",
    "events/s",
    {WHENCE: side(2, in_turns), ONE: side(1, in_turns)},
    (Goal(ONE, 1.6),),
    rounds=5,
)
