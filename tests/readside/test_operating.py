"""What people can do with projections: look at them, stop them, let them go on, make them anew."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, inspect, update

from whence import App, Projection, ReadModel, WhenceError, evolve, project
from whence.clock import ManualClock
from whence.errors import Behind, NotFound, Retired, WiringError

from .counters import (
    Counted,
    Counter,
    Shrunk,
    Total,
    append,
    caught_up,
    counted,
    counters,
    failing,
    filled,
    fresh,
    many,
    rows,
    status,
    subscription,
)

METADATA = MetaData()
sums = Table("sums", METADATA, Column("id", Integer, primary_key=True), Column("sum", Integer))


class Sum(Projection):
    metadata = METADATA

    @project
    def _(self, event: Counted, connection: Connection) -> None:
        changed = connection.execute(update(sums).values(sum=sums.c.sum + event.by))
        if changed.rowcount == 0:
            connection.execute(sums.insert().values(id=1, sum=event.by))


def both(read_url: str, store: str = "memory://") -> App:
    return App("counters", Counter, Total, Sum, store=store, read=read_url)


async def total(app: App) -> int:
    statement = sums.select().with_only_columns(sums.c.sum)
    return await app.running.reads.database.read(lambda c: c.scalar(statement) or 0)


async def tables(app: App) -> set[str]:
    found = await app.running.reads.database.read(lambda c: inspect(c).get_table_names())
    return {name for name in found if not name.startswith("whence_")}


# States.


async def test_it_is_new_until_somebody_projects(read_url: str) -> None:
    async with counters(read_url, projecting=False) as app:
        await append(app, counted("A", 1))
        found = await app.projections.status(Total)
        assert (found.state, found.position, found.head, found.lag) == ("new", 0, 1, 1)


async def test_it_catches_up_and_is_live(read_url: str, store: str) -> None:
    clock = ManualClock()
    options: dict[str, Any] = {"clock": clock, "store": store}
    async with counters(read_url, **options) as app:
        await append(app, counted("A", 1))
        await caught_up(app)
        found = await app.projections.status("total")
        assert (found.state, found.position, found.seconds) == ("live", 1, 0.0)
        assert (found.generation, found.parked, found.error) == (1, 0, None)
    async with counters(read_url, projecting=False, **options) as app:
        await append(app, counted("A", 1), counted("A", 1))
        clock.set(app.clock.now() + timedelta(days=60_000))
        (found,) = await app.projections.status()
        assert (found.state, found.position, found.lag) == ("catching up", 1, 2)
        assert found.seconds > 1_000_000


async def test_it_says_who_works_on_it(postgres_url: str) -> None:
    async with counters(postgres_url) as app:
        await append(app, counted("A", 1))
        await caught_up(app)
        (owner,) = (await status(app)).owners
        assert (list(owner.slices), owner.seconds > 0) == (list(range(16)), True)


async def test_how_fast_it_is_and_how_long_it_will_take(read_url: str) -> None:
    async with both(read_url) as app:
        await append(app, *many(200, 10))
        await caught_up(app)
        await app.projections.status(Total)
        await asyncio.sleep(0.15)
        await append(app, *many(200, 10))
        await caught_up(app)
        found = await app.projections.status(Total)
        assert found.rate > 0
        assert found.left == 0.0
        await app.projections.pause(Sum)
        await append(app, *many(200, 10))
        await app.projections.status(Sum)
        await append(app, *many(200, 10))
        await asyncio.sleep(0.15)
        found = await app.projections.status(Sum)
        assert (found.trend, found.left) == ("grows", None)


# Pausing and resuming.


@pytest.mark.parametrize("which", [Total, Sum, "total"])
async def test_what_is_paused_stands_still_until_it_is_resumed(read_url: str, which: Any) -> None:
    async with both(read_url) as app:
        name = which if isinstance(which, str) else which.__name__.lower()
        await append(app, counted("A", 1))
        await caught_up(app, name)
        await app.projections.pause(which)
        await append(app, counted("A", 2))
        with pytest.raises(Behind):
            await subscription(app, name).reached(2, 0.3)
        found = await app.projections.status(which)
        assert (found.state, found.position, found.error) == ("paused", 1, None)
        await app.projections.resume(which)
        await caught_up(app, name)
        assert (await app.projections.status(which)).state == "live"
        assert (await rows(app) == await fresh(app)) if name == "total" else await total(app) == 3


async def test_it_is_paused_for_every_process_and_after_a_restart(
    read_url: str, store: str
) -> None:
    async with counters(read_url, store=store) as worker:
        await append(worker, counted("A", 1))
        await caught_up(worker)
        async with counters(read_url, store=store, projecting=False) as other:
            await other.projections.pause(Total)
        await append(worker, counted("A", 2))
        with pytest.raises(Behind):
            await subscription(worker).reached(2, 0.2)
    async with counters(read_url, store=store) as worker:
        with pytest.raises(Behind):
            await subscription(worker).reached(2, 0.2)
        async with counters(read_url, store=store, projecting=False) as other:
            await other.projections.resume(Total)
        await caught_up(worker)
        assert await rows(worker) == await fresh(worker)


async def test_it_can_be_paused_before_it_is_made(read_url: str) -> None:
    async with counters(read_url, projecting=False) as app:
        await app.projections.pause(Total)
        await append(app, counted("A", 1))
        await subscription(app).start()
        with pytest.raises(Behind):
            await subscription(app).reached(1, 0.2)
        assert (await status(app)).state == "paused"
        await app.projections.resume(Total)
        await caught_up(app)


async def test_it_can_be_closed_while_it_is_woken(read_url: str) -> None:
    for _ in range(5):
        async with counters(read_url) as app:
            await app.projections.pause(Total)
            await app.projections.status(Total)
            await app.projections.resume(Total)


async def test_no_page_is_written_after_pausing(read_url: str) -> None:
    async with counters(read_url) as app:
        writing = asyncio.create_task(append(app, *many(5_000, 50)))
        await asyncio.sleep(0.02)
        await app.projections.pause(Total)
        before = await rows(app)
        await writing
        await asyncio.sleep(0.05)
        assert await rows(app) == before
        await app.projections.resume(Total)
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_what_is_paused_is_not_rebuilt(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, counted("A", 1))
        await caught_up(app)
        await app.projections.pause(Total)
        with pytest.raises(WhenceError, match="total is paused: resume it first"):
            await app.projections.rebuild(Total)


# Rewinding.


async def test_rows_that_were_touched_since_are_folded_afresh(read_url: str) -> None:
    async with counters(read_url) as app:
        last = await append(app, *many(20, 4))
        await append(app, counted("C1", 1), counted("C2", 1))
        await caught_up(app)
        right = await rows(app)
        table = app.read(Total).table
        await app.running.reads.database.write(lambda c: c.execute(update(table).values(total=7)))
        await app.projections.rewind(Total, last)
        mended = await rows(app)
        assert {key: mended[key] for key in ("C1", "C2")} == {
            key: right[key] for key in ("C1", "C2")
        }
        assert {mended[key][0] for key in ("C0", "C3")} == {7}
        await append(app, counted("C1", 1))
        await app.projections.rewind("total", 0)
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_many_rows_are_folded_afresh_at_once(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, *many(1_200, 1_100))
        await caught_up(app)
        table = app.read(Total).table
        await app.running.reads.database.write(lambda c: c.execute(update(table).values(total=7)))
        await app.projections.rewind(Total, 0)
        assert await rows(app) == await fresh(app)


async def test_the_handlers_of_a_projection_are_called_again(read_url: str) -> None:
    async with both(read_url) as app:
        await append(app, *many(10, 3))
        await caught_up(app, "sum")
        assert await total(app) == 45
        await app.projections.rewind(Sum, 8)
        await caught_up(app, "sum")
        assert await total(app) == 45 + 8 + 9


# Retiring.


async def test_what_is_retired_says_so_to_its_readers(read_url: str) -> None:
    async with both(read_url) as app:
        await append(app, counted("A", 1))
        await caught_up(app)
        await app.projections.retire(Total)
        assert (await status(app)).state == "retired"
        assert await tables(app) == {"total", "sums"}
    async with both(read_url) as app:
        for question in (app.read(Total).get("A"), app.read(Total).all(), app.read(Total).count()):
            with pytest.raises(Retired, match=r"^total was retired: its rows are not kept"):
                await question


async def test_what_it_had_made_can_be_dropped_and_made_again(read_url: str, store: str) -> None:
    async with both(read_url, store=store) as app:
        await append(app, *many(20, 3))
        await caught_up(app)
        await caught_up(app, "sum")
        await app.projections.retire(Total, drop=True)
        await app.projections.retire("sum", drop=True)
        assert await tables(app) == set()
        assert {one.state for one in await app.projections.status()} == {"retired"}
        await app.projections.resume(Total)
        await app.projections.resume("sum")
        await caught_up(app)
        await caught_up(app, "sum")
        assert await rows(app) == await fresh(app)
        assert await total(app) == sum(range(20))


# Rebuilds, and what was before.


async def test_one_can_go_back_to_what_was_before(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, *many(20, 3))
        await caught_up(app)
        spoilt = update(app.read(Total).table).values(total=7)
        await app.running.reads.database.write(lambda c: c.execute(spoilt))
        await app.projections.rebuild(Total)
        assert await rows(app) == await fresh(app)
        assert (await status(app)).previous
        await app.projections.rollback(Total)
        assert {row[0] for row in (await rows(app)).values()} == {7}
        await append(app, counted("C1", 1))
        await caught_up(app)
        assert (await rows(app))["C1"][0] == 8
        await app.projections.rollback(Total)
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_what_was_before_can_be_dropped(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, *many(20, 3))
        await app.projections.rebuild(Total)
        assert await tables(app) == {"total", "total__old"}
        await app.projections.clean(Total)
        assert await tables(app) == {"total"}
        assert not (await status(app)).previous
        for verb in (app.projections.clean, app.projections.rollback, app.projections.cancel):
            with pytest.raises(NotFound):
                await verb(Total)


async def test_only_one_generation_before_is_kept(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, *many(20, 3))
        for generation in (2, 3, 4):
            await app.projections.rebuild(Total)
            assert (await status(app)).generation == generation
            assert await tables(app) == {"total", "total__old"}
        assert await rows(app) == await fresh(app)


async def test_old_code_finds_what_it_had_made(read_url: str, store: str) -> None:
    await filled(read_url, store)
    async with counters(read_url, Shrunk, store=store) as app:
        await caught_up(app)
        assert (await rows(app))["C0"][0] < 0
        await append(app, *many(20, 3))
        await caught_up(app)
    async with counters(read_url, store=store) as app:
        await caught_up(app)
        assert await rows(app) == await fresh(app)
        found = await status(app)
        assert (found.generation, found.previous) == (1, True)


async def test_going_back_to_what_other_code_made_waits_for_that_code(
    read_url: str, store: str
) -> None:
    await filled(read_url, store)
    async with counters(read_url, Shrunk, store=store) as app:
        await caught_up(app)
        await app.projections.rollback(Shrunk)
        await append(app, counted("C1", 5))
        assert (await status(app)).state == "paused"
    async with counters(read_url, store=store) as app:
        await app.projections.resume(Total)
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_code_that_was_overtaken_stands_aside(read_url: str, store: str) -> None:
    async with counters(read_url, store=store) as old:
        await append(old, *many(20, 3))
        await caught_up(old)
        async with counters(read_url, Shrunk, store=store) as new:
            await caught_up(new)
            await append(new, counted("C1", 5))
            await caught_up(new)
            expected = await rows(new)
            with pytest.raises(Behind) as caught:
                await subscription(old).reached(22, 2.0)
            assert "total is led by other code now" in str(caught.value.__cause__)
            assert (await status(old)).state == "failed"
            assert (await status(new)).state == "live"
            assert await rows(new) == expected
            assert (await status(new)).generation == 2


async def test_a_class_that_does_not_follow_the_log_is_refused(read_url: str) -> None:
    class Other(ReadModel):
        counter_id: str

        @evolve
        def _(self, event: Counted) -> None: ...

    async with counters(read_url, failing()) as app:
        for which in (Other, Projection, "nothing"):
            with pytest.raises(WiringError, match="does not follow the log here; what does: tot"):
                await app.projections.pause(which)


def test_all_of_it_without_awaiting(read_url: str) -> None:
    app = counters(read_url, failing(13))
    with app.sync as opened:
        opened.run(append(app, *many(10, 3)))
        opened.run(caught_up(app))
        projections = opened.projections
        projections.pause("total")
        assert projections.status("total").state == "paused"
        projections.resume("total")
        projections.rewind("total", 0)
        projections.rebuild("total", lambda position, head: None)
        assert [one.generation for one in projections.status()] == [2]
        projections.rollback("total")
        projections.clean("total")
        with pytest.raises(NotFound):
            projections.cancel("total")
        opened.run(append(app, counted("A", 13), counted("A", 13)))
        opened.run(caught_up(app))
        (dead,) = projections.dead.keys()
        assert len(projections.dead.events("total", dead.key)) == 2
        assert projections.dead.retry("total", dry=True)[0].left == 2
        assert projections.dead.skip("total", "A", reason="x", by="y").left == 1
        assert len(projections.dead.skipped()) == 1
        projections.retire("total", drop=True)
        assert projections.status("total").state == "retired"
