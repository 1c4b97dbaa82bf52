"""Between dropping rows and making them again, nobody meets an error of the driver."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import Connection, TextClause, text

from whence import App
from whence.backends.sql import answering
from whence.errors import Retired, StoreError

from .counters import (
    Row,
    Sums,
    Total,
    append,
    caught_up,
    counted,
    counters,
    fresh,
    rows,
    subscription,
)

NOBODY = r"^total has no rows yet: nobody has projected it\. `whence worker` does$"


async def drop(app: App) -> None:
    """It has rows, somebody has just looked at them, and they are dropped."""
    await append(app, counted("A", 1), counted("B", 2))
    await caught_up(app)
    assert await app.read(Total).count() == 2
    await app.projections.retire(Total, drop=True)


async def test_a_question_waits_for_the_table(
    read_url: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_PATIENCE", 60.0)  # however busy the machine is
    async with counters(read_url, store=store) as app:
        await drop(app)
        with pytest.raises(Retired):
            await app.read(Total).count()
        wanted = asyncio.create_task(app.projections.resume(Total))
        answered = 0
        while answered < 2:
            known = wanted.done()
            try:
                answered = await app.read(Total).count()
            except Retired:
                assert not known
        await wanted
        assert await rows(app) == await fresh(app)


async def test_what_was_dropped_after_the_last_look_is_asked_again(
    read_url: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_PATIENCE", 60.0)
    async with counters(read_url, store=store) as app:
        await drop(app)
        await app.projections.resume(Total)
        assert await app.read(Total).count() in (0, 1, 2)
        await caught_up(app)


async def test_who_leads_makes_again_what_was_dropped_and_resumed_between_two_looks(
    read_url: str, store: str
) -> None:
    async with counters(read_url, store=store) as app:
        await append(app, counted("A", 1), counted("B", 2))
        await caught_up(app)
        controls = subscription(app).subscriber.controls
        await controls.want("retired")
        await controls.drop()
        await controls.want("running")
        subscription(app).wake()
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_a_question_says_that_nobody_makes_the_table(
    read_url: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_PATIENCE", 0.0)
    async with counters(read_url, store=store) as app:
        await drop(app)
    async with counters(read_url, store=store, projecting=False) as app:
        await app.projections.resume(Total)
        for question in (app.read(Total).get("A"), app.read(Total).all(), app.read(Total).count()):
            with pytest.raises(StoreError, match=NOBODY):
                await question
        with pytest.raises(StoreError, match=NOBODY):
            await app.verify(Total)


async def test_a_question_before_anybody_has_projected_says_so(read_url: str) -> None:
    async with counters(read_url, projecting=False) as app:
        with pytest.raises(StoreError, match=NOBODY):
            await app.read(Total).all()


async def test_a_rebuild_makes_it_again(read_url: str, store: str) -> None:
    async with counters(read_url, store=store) as app:
        await drop(app)
    async with counters(read_url, store=store, projecting=False) as app:
        await app.projections.resume(Total)
        await app.projections.rebuild(Total)
        assert await rows(app) == await fresh(app)


async def test_a_table_that_was_dropped_by_hand_is_filled_again(read_url: str, store: str) -> None:
    for model, table in ((Total, "total"), (Sums, "sums")):
        async with counters(read_url, model, store=store) as app:
            if model is Total:
                await append(app, counted("A", 1), counted("B", 2), counted("A", 3))
            await caught_up(app)
            before = await found(app, table)
            assert await subscription(app).subscriber.missing() == []
            dropping = text(f"drop table {table}")
            await app.running.reads.database.write(partial(_run, statement=dropping))
            assert await subscription(app).subscriber.missing() == [table]
        async with counters(read_url, model, store=store) as app:
            await caught_up(app)
            assert await found(app, table) == before != []


async def test_a_projection_is_filled_again_by_whoever_owns_its_slices(
    read_url: str, store: str
) -> None:
    """At first that is not the process that begins the rebuild."""
    async with (
        counters(read_url, Sums, store=store) as app,
        counters(read_url, Sums, store=store, projecting=False) as other,
    ):
        await append(app, *(counted(key, n) for n in range(9) for key in "AB"))
        await caught_up(app)
        before = await found(app, "sums")
        await other.projections.rebuild(Sums)
        assert await found(other, "sums") == before != []


def _run(connection: Connection, statement: TextClause) -> None:
    connection.execute(statement)


async def found(app: App, table: str) -> list[Row]:
    database = app.running.reads.database
    chosen = text(f"select * from {table}")
    return await database.read(lambda c: sorted(map(tuple, c.execute(chosen).all())))
