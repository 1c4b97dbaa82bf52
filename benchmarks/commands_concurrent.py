"""Commands, 64 at a time: the sides of `benchmarks.commands`.

The floor puts 64 rows into each transaction, the peer has 8 threads.
"""

from benchmarks import commands
from benchmarks.harness import FLOOR, PEER, Figure, Goal
from benchmarks.sqlite import SQLITE

FIGURE = Figure(
    "commands_concurrent",
    "commands, 64 at a time",
    "commands/s",
    commands.sides(SQLITE, warm=(6_400, 64), cold=(3_200, 64), floor=(6_400, 64), other=(800, 8)),
    (Goal(FLOOR, 0.5), Goal(PEER, 20)),
    rounds=15,
)
