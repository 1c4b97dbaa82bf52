"""Commands, one after another: the sides of `benchmarks.commands`.

Each command is durable before the next is sent.
"""

from benchmarks import commands
from benchmarks.harness import FLOOR, PEER, Figure, Goal
from benchmarks.sqlite import SQLITE

FIGURE = Figure(
    "commands_sequential",
    "commands, one after another",
    "commands/s",
    commands.sides(SQLITE, warm=(600, 1), cold=(600, 1), floor=(600, 1), other=(300, 1)),
    (Goal(FLOOR, 0.7), Goal(PEER, 2)),
    rounds=15,
)
