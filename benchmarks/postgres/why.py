"""Why a balance is what it is, on PostgreSQL: log, question and sides of `benchmarks.why`."""

from benchmarks import why
from benchmarks.harness import FLOOR, Figure, Surplus
from benchmarks.postgres.backend import POSTGRES

FIGURE = Figure(
    "postgres.why",
    "why a value is what it is, on PostgreSQL",
    "ms",
    why.sides(POSTGRES),
    (Surplus(FLOOR, 50),),
    better="less",
)
