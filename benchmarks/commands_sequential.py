"""Commands, one after another: each is durable before the next is sent."""

from functools import partial

from benchmarks import commands
from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal

FIGURE = Figure(
    "commands_sequential",
    "commands, one after another",
    "commands/s",
    {
        WHENCE: partial(commands.whence, times=600, at_once=1),
        "whence, cold": partial(commands.cold, times=600, at_once=1),
        FLOOR: partial(commands.plain, times=600, at_once=1),
        PEER: partial(commands.peer, times=300, threads=1),
    },
    (Goal(FLOOR, 0.7), Goal(PEER, 2)),
    rounds=15,
)
