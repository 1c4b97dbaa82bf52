"""Commands, one after another: each is durable before the next is sent."""

from functools import partial

from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal
from benchmarks.postgres import commands

FIGURE = Figure(
    "postgres.commands_sequential",
    "commands on PostgreSQL, one after another",
    "commands/s",
    {
        WHENCE: partial(commands.whence, times=600, at_once=1),
        "whence, cold": partial(commands.cold, times=600, at_once=1),
        FLOOR: partial(commands.plain, times=600, connections=1),
        PEER: partial(commands.peer, times=200, threads=1),
    },
    (Goal(FLOOR, 0.6), Goal(PEER, 3)),
    rounds=9,
)
