"""Commands, 64 at a time in one process. The floor has 32 connections, the peer 8 threads."""

from functools import partial

from benchmarks.harness import FLOOR, PEER, WHENCE, Figure, Goal
from benchmarks.postgres import commands

FIGURE = Figure(
    "postgres.commands_concurrent",
    "commands on PostgreSQL, 64 at a time",
    "commands/s",
    {
        WHENCE: partial(commands.whence, times=6_400, at_once=64),
        "whence, cold": partial(commands.cold, times=3_200, at_once=64),
        FLOOR: partial(commands.plain, times=4_800, connections=32),
        PEER: partial(commands.peer, times=400, threads=8),
    },
    (Goal(FLOOR, 1.0), Goal(PEER, 20)),
    rounds=7,
)
