"""Commands, 64 at a time. The floor puts 64 rows into each transaction, the peer has 8 threads."""

from functools import partial

from benchmarks import commands
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal

FIGURE = Figure(
    "commands_concurrent",
    "commands, 64 at a time",
    "commands/s",
    {
        WHENCE: partial(commands.whence, times=6_400, at_once=64),
        "whence, cold": partial(commands.cold, times=3_200, at_once=64),
        FLOOR: partial(commands.plain, times=6_400, at_once=64),
        PEER: partial(commands.peer, times=800, threads=8),
    },
    (Goal(FLOOR, 0.5), Goal(PEER, 20)),
    rounds=15,
)
