"""Commands, one after another: the sides of `benchmarks.commands`.

Each command is durable before the next is sent.
"""

from benchmarks import commands
from benchmarks.harness import FLOOR, PEER, Figure, Goal
from benchmarks.postgres.backend import POSTGRES

FIGURE = Figure(
    "postgres.commands_sequential",
    "commands on PostgreSQL, one after another",
    "commands/s",
    commands.sides(POSTGRES, warm=(600, 1), cold=(600, 1), floor=(600, 1), other=(200, 1)),
    (Goal(FLOOR, 0.6), Goal(PEER, 3)),
    rounds=9,
)
