"""Processor time per command, of the whole process: another clock for the same commands.

64 at a time, as in a busy process, beside the peer in one thread, where it needs the least.
It counts what the system does for a durable write, too: one after another, that alone is more
than the goal allows (the floor).
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager

from benchmarks import commands_concurrent, commands_sequential
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal, Round, Sample, Side, Work


def _cpu(side: Side) -> Callable[[Work], AbstractContextManager[Round]]:
    @contextmanager
    def measured(work: Work) -> Generator[Round]:
        with side(work) as one_round:

            def cpu() -> Sample:
                sample = one_round()
                assert sample.cpu is not None
                return Sample(sample.cpu)

            yield cpu

    return measured


_ONE, _MANY = commands_sequential.FIGURE.sides, commands_concurrent.FIGURE.sides

FIGURE = Figure(
    "commands_cpu",
    "processor time per command",
    "µs",
    {
        WHENCE: _cpu(_MANY[WHENCE]),
        "whence, one by one": _cpu(_ONE[WHENCE]),
        FLOOR: _cpu(_MANY[FLOOR]),
        "floor, one by one": _cpu(_ONE[FLOOR]),
        PEER: _cpu(_ONE[PEER]),
    },
    (Goal(PEER, 5),),
    better="less",
)
