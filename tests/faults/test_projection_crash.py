"""Processes that are killed while they project, rebuild, switch or retry.

Nothing is lost and nothing doubled: the next process heals everything by itself, and the rows are
what a fresh fold makes.
"""

import asyncio
import multiprocessing
import shutil
import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select, text

from whence.app import App
from whence.backends.sql import building, database, folding, leases
from whence.envelope import NewEvent
from whence.errors import Behind, NotFound, StoreFull

from ..readside import counters as kit
from . import dying

# Processes that are forked from one that has imported everything.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.dying"])

Point = tuple[str, str, int]
SQL = "whence.backends.sql."
EVENTS, COUNTERS = 3_500, 90


@pytest.fixture
def read_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path}/read.db"


def at(*points: Point, postgres: Collection[int] = ()) -> pytest.MarkDecorator:
    """Each of the points on SQLite, and those with these numbers on PostgreSQL too."""
    cases = [("sqlite", point) for point in points]
    cases += [("postgres", points[number]) for number in postgres]
    names = [f"{database}, {' '.join(map(str, point))}" for database, point in cases]
    return pytest.mark.parametrize(("read_url", "point"), cases, indirect=["read_url"], ids=names)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `dying.quicken`."""
    monkeypatch.setattr(folding.RowFollower, "at_once", 1)
    monkeypatch.setattr(building, "_CHANGED", 20)
    monkeypatch.setattr(leases, "LEASE", 1.5)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A log of some thousand events, and one in which two keys cannot be handled."""
    folder = tmp_path_factory.mktemp("logs")
    events = [*kit.many(EVENTS, COUNTERS)]
    events[100], events[2_600] = kit.closed("C5"), kit.closed("C6")
    events[13] = kit.counted("C13", 12)
    bad = [kit.counted("B1", 13), kit.counted("B1", 1), kit.counted("B2", 13)]
    found = {"good": folder / "good.db", "bad": folder / "bad.db"}

    async def write(path: Path, more: list[NewEvent]) -> None:
        app = kit.counters("sqlite://", store=f"sqlite:///{path}", projecting=False)
        async with app:
            await kit.append(app, *events, *more)

    for name, path in found.items():
        asyncio.run(write(path, bad if name == "bad" else []))
    return found


@pytest.fixture
def log(logs: dict[str, Path], request: pytest.FixtureRequest) -> str:
    """The URL of a log that nobody changes."""
    return f"sqlite:///{logs[getattr(request, 'param', 'good')]}"


def dies(read: str, store: str, do: str, point: Point, **options: str) -> None:
    """Let a process do something, until it is killed at ``point``."""
    said: dict[str, Any] = {"read": read, "store": store, "do": do, "model": "total"}
    moment, function, times = point
    place = function if function.startswith("whence.") else SQL + function
    said |= {"name": "total", "point": [moment, place, times]}
    process = PROCESSES.Process(target=dying.run, args=(said | options,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


async def tables(app: App) -> set[str]:
    found = await app.running.reads.database.read(lambda c: inspect(c).get_table_names())
    return {name for name in found if not name.startswith("whence_")}


@at(
    ("before", "following:SqlFollower._page", 2),
    ("before", "checkpoints:Checkpoints.move", 2),
    ("after", "checkpoints:Checkpoints.move", 2),
    ("after", "whence.folds:Fold.read", 2),
    ("after", "whence.folds:Fold.apply", 2),
    ("before", "tables:RowTable.store", 1),
    ("after", "tables:RowTable.store", 2),
    ("after", "following:SqlFollower._page", 2),
    ("after", "generations:Generations.start", 1),
    ("after", "models:SqlReadModel.start", 1),
    postgres=(2, 6, 7),
)
async def test_in_a_page(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "follow", point)
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)


@at(
    ("before", "following:SqlFollower._page", 2),
    ("after", "checkpoints:Checkpoints.move", 2),
    ("after", "projections:SqlProjection._write", 2),
    ("after", "following:SqlFollower._page", 2),
    postgres=(2,),
)
async def test_in_a_page_of_a_projection(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "follow", point, model="sums", name="sums")
    async with kit.counters(read_url, kit.Sums, store=log) as app:
        await kit.caught_up(app, "sums")
        assert await sums(app) == await fresh_sums(app)


@at(
    ("before", "whence.backends.sqlite.store:SqliteStore.append", 1),
    ("after", "whence.backends.sqlite.store:SqliteStore.append", 1),
    ("before", "following:SqlFollower._page", 1),
    postgres=(1,),
)
async def test_between_an_event_and_its_row(
    read_url: str, logs: dict[str, Path], tmp_path: Path, point: Point
) -> None:
    log = f"sqlite:///{shutil.copy(logs['good'], tmp_path / 'log.db')}"
    dies(read_url, log, "send", point)
    async with kit.counters(read_url, store=log) as app:
        stored = point[0] == "after" or "append" not in point[1]
        assert await app.running.store.head() == EVENTS + stored
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)


@at(
    ("after", "generations:Generations._create", 1),
    ("after", "models:SqlReadModel.rebuild", 1),
    ("before", "building:NextTable._flush", 1),
    ("after", "tables:RowTable.store", 2),
    ("after", "building:NextTable._flush", 2),
    ("after", "building:NextTable.save", 2),
    ("before", "generations:Generations.switch", 1),
    ("before", "generations:Generations._rename", 1),
    ("after", "checkpoints:Checkpoints.rename", 1),
    ("after", "checkpoints:Checkpoints.rename", 2),
    ("after", "generations:Generations.switch", 1),
    ("after", "building:NextTable.switch", 1),
    postgres=(1, 4, 8, 10),
)
async def test_in_a_rebuild(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "rebuild", point)
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)
        await app.projections.rebuild("total")
        assert await kit.rows(app) == await kit.fresh(app)
        assert await tables(app) == {"total", "total__old"}


@at(
    ("after", "building:NextTable._flush", 2),
    ("after", "building:NextTable.save", 2),
    ("after", "checkpoints:Checkpoints.rename", 1),
    ("after", "generations:Generations.switch", 1),
    postgres=(1,),
)
async def test_in_the_rebuild_that_new_code_needs(read_url: str, log: str, point: Point) -> None:
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
    dies(read_url, log, "follow", point, model="shrunk")
    async with kit.counters(read_url, kit.Shrunk, store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app, of=kit.Shrunk)
        # It was begun once, and then gone on with.
        assert (await kit.status(app)).generation == 2


@at(("after", "building:NextTable.save", 2), postgres=(0,))
async def test_a_rebuild_goes_on_where_it_was(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "rebuild", point)
    async with kit.counters(read_url, store=log, projecting=False) as app:
        standing = await kit.subscription(app).subscriber.standing()
        assert standing is not None
        assert standing.building is not None
        assert 0 < standing.building < EVENTS
        build = await kit.subscription(app).subscriber.building()
        assert build is not None
        assert {mark.position for mark in (await build.marks()).values()} == {standing.building}


@at(
    ("after", "checkpoints:Checkpoints.rename", 1),
    ("after", "checkpoints:Checkpoints.rename", 3),
    ("after", "generations:Generations.roll_back", 1),
    postgres=(1,),
)
async def test_while_it_goes_back(read_url: str, log: str, point: Point) -> None:
    async with kit.counters(read_url, store=log) as app:
        await app.projections.rebuild("total")
    dies(read_url, log, "roll back", point)
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)
        assert await tables(app) == {"total", "total__old"}
        assert (await kit.status(app)).previous


@pytest.mark.parametrize("log", ["bad"], indirect=True)
@pytest.mark.parametrize("do", ["retry", "skip"])
@at(
    ("after", "dead:Dead.remove", 1),
    ("after", "tables:RowTable.store", 1),
    ("after", "letters:SqlLetters._again", 1),
    postgres=(2,),
)
async def test_while_what_is_parked_is_handled(
    read_url: str, log: str, do: str, point: Point
) -> None:
    async with kit.counters(read_url, kit.failing(13), store=log) as app:
        await kit.caught_up(app)
        first, second = await app.projections.dead.keys()
        assert (first.key, first.events, second.key) == ("B1", 2, "B2")
        before = await kit.rows(app)
    dies(read_url, log, do, point, model="total" if do == "retry" else "failing")
    async with kit.counters(read_url, kit.failing(13), store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == before
        assert [one.key for one in await app.projections.dead.keys()] == ["B1", "B2"]
        assert await app.projections.dead.skipped() == []
    async with kit.counters(read_url, store=log) as app:
        await app.projections.dead.retry("total")
        assert await kit.rows(app) == await kit.fresh(app)


@pytest.mark.parametrize("log", ["bad"], indirect=True)
@at(
    ("before", "dead:Dead.add", 1),
    ("after", "dead:Dead.add", 1),
    ("after", "following:SqlFollower._page", 4),
    postgres=(1,),
)
async def test_while_something_is_parked(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "follow", point, model="failing")
    async with kit.counters(read_url, kit.failing(13), store=log) as app:
        await kit.caught_up(app)
        waiting = [(one.key, one.events) for one in await app.projections.dead.keys()]
        assert waiting == [("B1", 2), ("B2", 1)]
        assert await kit.rows(app) == await kit.fresh(app, without=range(EVENTS + 1, EVENTS + 4))


@pytest.mark.parametrize("do", ["repair", "rewind"])
@at(
    ("before", "auditing:RowAudit.mend", 1),
    ("after", "checkpoints:Checkpoints.touch_all", 1),
    ("after", "tables:RowTable.store", 1),
    ("after", "auditing:RowAudit.mend", 1),
    postgres=(2,),
)
async def test_while_rows_are_mended(read_url: str, log: str, do: str, point: Point) -> None:
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
        table = app.read(kit.Total).table
        await app.running.reads.database.write(
            lambda c: c.execute(table.update().values(total=-1))
        )
    dies(read_url, log, do, point)
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
        found, right = await kit.rows(app), await kit.fresh(app)
        mended = point[:2] == ("after", "auditing:RowAudit.mend")
        assert {row[0] == -1 for row in found.values()} == {not mended}
        assert (await app.verify(kit.Total, repair=True)).in_sync
        assert await kit.rows(app) == right


@at(
    ("before", "controls:ModelControls.clean", 1),
    ("after", "registry:Registry.drop", 1),
    ("after", "generations:Generations.drop", 1),
    ("after", "controls:ModelControls.clean", 1),
    postgres=(2,),
)
async def test_while_it_is_cleaned(read_url: str, log: str, point: Point) -> None:
    async with kit.counters(read_url, store=log) as app:
        await app.projections.rebuild("total")
    dies(read_url, log, "clean", point)
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)
        with suppress(NotFound):
            await app.projections.clean("total")
        assert await tables(app) == {"total"}


@at(
    ("after", "registry:Registry.drop", 1),
    ("after", "generations:Generations.drop", 1),
    ("after", "controls:ModelControls.cancel", 1),
    postgres=(1,),
)
async def test_while_a_rebuild_is_cancelled(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "rebuild", ("after", "building:NextTable.save", 2))
    dies(read_url, log, "cancel", point)
    async with kit.counters(read_url, store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)
        with suppress(NotFound):
            await app.projections.cancel("total")
        assert await tables(app) == {"total"}


@pytest.mark.parametrize("do", ["pause", "retire"])
@at(
    ("before", "registry:Registry.want", 1),
    ("after", "registry:Registry.want", 1),
    ("after", "controls:SqlControls.want", 1),
    postgres=(1, 2),
)
async def test_while_it_is_stopped(read_url: str, log: str, do: str, point: Point) -> None:
    dies(read_url, log, do, point)
    async with kit.counters(read_url, store=log) as app:
        stopped = point[:2] == ("after", "controls:SqlControls.want")
        assert ((await kit.status(app)).state in ("paused", "retired")) is stopped
        await app.projections.resume("total")
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)


@at(
    ("after", "generations:Generations.drop", 3),
    ("after", "controls:ModelControls._dropped", 1),
    ("after", "controls:ModelControls.drop", 1),
    postgres=(1,),
)
async def test_while_its_tables_are_dropped(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "retire", point)
    async with kit.counters(read_url, store=log) as app:
        gone = point[:2] == ("after", "controls:ModelControls.drop")
        assert await tables(app) == (set() if gone else {"total"})
        await app.projections.resume("total")
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)


@at(("after", "projections:SqlProjection.begin", 1), postgres=(0,))
async def test_while_a_projection_is_emptied(read_url: str, log: str, point: Point) -> None:
    dies(read_url, log, "rebuild", point, model="sums", name="sums")
    async with kit.counters(read_url, kit.Sums, store=log) as app:
        await kit.caught_up(app, "sums")
        assert await sums(app) == await fresh_sums(app)


async def test_a_disk_that_is_full_for_a_while(
    tmp_path: Path, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = f"sqlite:///{tmp_path}/read.db"
    async with kit.counters(read, store=log, projecting=False) as app:
        pages = await app.running.reads.database.read(
            lambda c: c.scalar(text("pragma page_count"))
        )
    with monkeypatch.context() as patched:
        full = f"{database._PRAGMAS} pragma max_page_count = {pages};"  # pyright: ignore[reportPrivateUsage]
        patched.setattr(database, "_PRAGMAS", full)
        async with kit.counters(read, store=log) as app:
            with pytest.raises(Behind) as behind:
                await kit.subscription(app).reached(EVENTS, 1.0)
            assert isinstance(behind.value.__cause__, StoreFull)
    async with kit.counters(read, store=log) as app:
        await kit.caught_up(app)
        assert await kit.rows(app) == await kit.fresh(app)


async def sums(app: App) -> dict[str, int]:
    found = await app.running.reads.database.read(lambda c: c.execute(select(kit.sums)).all())
    return {row[0]: row[1] for row in found}


async def fresh_sums(app: App) -> dict[str, Any]:
    """Closing means nothing to the sums."""
    made: dict[str, int] = {}
    for n in range(EVENTS):
        if n not in (100, 2_600):
            by, name = (12 if n == 13 else n), f"C{n % COUNTERS}"
            made[name] = made.get(name, 0) + by
    return made
