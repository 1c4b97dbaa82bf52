"""Rebuilding a read model of a million events on PostgreSQL, in the database of the log.

Log, read model, whence and floor are those of `benchmarks.rebuild`.

* plain catch-up: what one worker does without bulk load, as the floor of `catching_up`: pages of
  500 events, an upsert per event and the checkpoint in each transaction; over a tenth of the log,
  since it takes long.

How fast whence itself catches up is what `catching_up` says; here it would take most of the run.
"""

from functools import partial

from benchmarks import catching_up, rebuild
from benchmarks.harness import FLOOR, Figure, Goal
from benchmarks.postgres.backend import POSTGRES
from benchmarks.rebuild import ACCOUNTS

PLAIN = "plain catch-up"

FIGURE = Figure(
    "postgres.rebuild",
    "rebuilding a read model of a million events on PostgreSQL",
    "events/s",
    {
        **rebuild.sides(POSTGRES),
        PLAIN: partial(catching_up.plain, backend=POSTGRES, accounts=ACCOUNTS // 10),
    },
    (Goal(FLOOR, 0.4), Goal(PLAIN, 5)),
    rounds=5,
)
