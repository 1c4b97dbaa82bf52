"""Commands, 64 at a time in one process: the sides of `benchmarks.commands`.

The floor has 32 connections, the peer 8 threads.
"""

from benchmarks import commands
from benchmarks.harness import FLOOR, PEER, Figure, Goal
from benchmarks.postgres.backend import POSTGRES

FIGURE = Figure(
    "postgres.commands_concurrent",
    "commands on PostgreSQL, 64 at a time",
    "commands/s",
    commands.sides(
        POSTGRES, warm=(6_400, 64), cold=(3_200, 64), floor=(4_800, 32), other=(400, 8)
    ),
    (Goal(FLOOR, 1.0), Goal(PEER, 20)),
    rounds=7,
)
