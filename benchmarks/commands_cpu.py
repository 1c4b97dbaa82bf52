"""Processor time per command, of the whole process, one command after another.

The commands of `commands_sequential`, in the same way; only another clock. It counts what the
system does for a durable write, too, which is most of the floor.
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


FIGURE = Figure(
    "commands_cpu",
    "processor time per command",
    "µs",
    {
        WHENCE: _cpu(commands_sequential.whence),
        "whence, 64 at a time": _cpu(commands_concurrent.whence),
        FLOOR: _cpu(commands_sequential.plain),
        PEER: _cpu(commands_sequential.peer),
    },
    (Goal(PEER, 5),),
    better="less",
)
