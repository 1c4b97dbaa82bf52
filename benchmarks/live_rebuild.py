"""A real history, rebuilt by new code while it is asked about: the saved one of `examples/gitlog`.

* whence: answers a second while rebuild follows rebuild, from the same process. Each answer is
  all rows of the contributors. An answer that fails, or that has rows of two folds, ends it.
* nobody rebuilds: the same, without.
"""

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks import bank
from benchmarks.harness import WHENCE, Figure, Goal, Round, Sample, Side, Work
from whence import App, ReadModel, evolve

EXAMPLES = Path(__file__).parents[1] / "examples"
COMMITS, QUICK = 7_667, 50
SECONDS, BRIEF = 5.0, 0.2
ALONE = "nobody rebuilds"


def side(rebuilding: bool) -> Side:
    """Asking for some seconds, and rebuilding meanwhile or not."""

    @contextmanager
    def ready(work: Work) -> Generator[Round]:
        sys.path.insert(0, str(EXAMPLES))
        commits = work.of(COMMITS, QUICK)
        with bank.running(work, _app) as app:
            app.run(_import(app.app, commits))
            seconds = BRIEF if work.quick else SECONDS
            yield lambda: Sample(app.run(answers(app.app, commits, seconds, rebuilding)))
        sys.path.remove(str(EXAMPLES))

    return ready


def _app(url: str) -> App:
    from gitlog.commits import CommitRecorded
    from gitlog.models import by_author
    from gitlog.repositories import Repository

    class Contributor(ReadModel, name="contributors"):
        key: str
        commits: int = 0
        changes: int = 0

        @evolve(key=by_author)
        def _(self, event: CommitRecorded) -> None:
            self.commits += 1
            self.changes += len(event.changes)

    return App("gitlog", Repository, Contributor, store=url)


async def _import(app: App, commits: int) -> None:
    from gitlog import open_source

    source = open_source(EXAMPLES / "gitlog" / "data" / "history.jsonl.gz")
    for command in islice(source.commits("pond"), commits):
        await app.send(command)
    await app.read(_model(app)).after(await app.running.store.head(), 60).count()


async def answers(app: App, commits: int, seconds: float, rebuilding: bool) -> float:
    """How many a second; each must show all commits."""
    rebuild = asyncio.create_task(_rebuild_again(app)) if rebuilding else None
    count, start = 0, perf_counter()
    while perf_counter() < start + seconds or (rebuild and await _generation(app) < 2):
        rows: list[Any] = await app.read(_model(app))
        assert sum(row.commits for row in rows) == commits
        count += 1
    took = perf_counter() - start
    if rebuild is not None:
        rebuild.cancel()
        with suppress(asyncio.CancelledError):
            await rebuild
    return count / took


async def _rebuild_again(app: App) -> None:
    while True:
        await app.rebuild(_model(app))


async def _generation(app: App) -> int:
    return (await app.projections.status(_model(app))).generation


def _model(app: App) -> type[ReadModel]:
    return app.wiring.specs()[0].cls


FIGURE = Figure(
    "live_rebuild",
    "answers while a real history is rebuilt",
    "answers/s",
    {WHENCE: side(rebuilding=True), ALONE: side(rebuilding=False)},
    (Goal(ALONE, 0.2),),
    rounds=5,
)
