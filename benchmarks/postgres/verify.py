"""Verifying a read model of a million events on PostgreSQL: the sides of `benchmarks.verify`."""

from benchmarks import verify
from benchmarks.harness import Figure, Goal
from benchmarks.postgres.backend import POSTGRES

FIGURE = Figure(
    "postgres.verify",
    "verifying a read model of a million events on PostgreSQL",
    "events/s",
    verify.sides(POSTGRES),
    (Goal(verify.REBUILD, 1),),
    rounds=5,
)
