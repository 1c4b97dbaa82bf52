"""Dead letters: what is parked is looked at, tried again and left out by people."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from whence import App
from whence.errors import NotFound, WhenceError
from whence.letters import Retried

from .counters import (
    Counter,
    Log,
    Total,
    append,
    caught_up,
    closed,
    counted,
    counters,
    failing,
    fresh,
    log,
    rows,
    shared,
    status,
    unreadable,
)


async def park(read_url: str, store: str) -> None:
    """A and C wait, B does not."""
    async with counters(read_url, failing(13, 14), store=store) as app:
        await append(app, counted("A", 1), counted("B", 2), counted("A", 13), counted("B", 3))
        await append(app, counted("A", 4), counted("C", 13), shared("A", "B", by=5))
        await append(app, counted("C", 14), counted("C", 6))
        await caught_up(app)
        assert (await status(app)).parked == 2


async def test_they_are_listed_and_shown(read_url: str, store: str) -> None:
    await park(read_url, store)
    async with counters(read_url, failing(13, 14), store=store) as app:
        first, second = await app.projections.dead.keys()
        assert (first.projection, first.key, first.events, first.position) == ("total", "A", 3, 3)
        assert (second.key, second.events, second.position) == ("C", 3, 6)
        assert "ValueError: 13 brings bad luck at " in first.error
        assert (first.attempts, first.since) == (1, first.tried)
        assert await app.projections.dead.keys(app.wiring.models[0]) == [first, second]

        one, two, three = await app.projections.dead.events("total", "A")
        assert [event.recorded.position for event in (one, two, three)] == [3, 5, 7]
        assert json.loads(one.recorded.data) == {"counter_id": "A", "by": 13}
        assert one.error == first.error
        assert (two.error, three.error) == (None, None)


async def test_mended_code_handles_them_in_order(read_url: str, store: str) -> None:
    await park(read_url, store)
    async with counters(read_url, store=store) as app:
        assert await app.projections.dead.retry(Total, "A") == [Retried("total", "A", 3, 0)]
        assert (await rows(app))["A"] == (23, 4, 3)
        assert await app.projections.dead.retry(Total) == [Retried("total", "C", 3, 0)]
        assert await rows(app) == await fresh(app)
        assert await app.projections.dead.keys() == []
        await append(app, counted("A", 7), counted("C", 8))
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_what_fails_again_waits_again_with_those_behind_it(
    read_url: str, store: str
) -> None:
    await park(read_url, store)
    async with counters(read_url, failing(14), store=store) as app:
        done = {one.key: one for one in await app.projections.dead.retry("total")}
        assert done["A"] == Retried("total", "A", 3, 0)
        assert (done["C"].handled, done["C"].left) == (1, 2)
        assert done["C"].error is not None
        assert "14 brings bad luck" in done["C"].error
        (left,) = await app.projections.dead.keys()
        assert (left.key, left.events, left.position, left.attempts) == ("C", 2, 8, 1)
        assert left.since <= left.tried
        assert (await rows(app))["C"] == (13, 1, 1)
    async with counters(read_url, failing(14), store=store) as app:
        await app.projections.dead.retry("total", "C")
        (left,) = await app.projections.dead.keys()
        assert (left.events, left.attempts, left.since < left.tried) == (2, 2, True)
    async with counters(read_url, store=store) as app:
        await app.projections.dead.retry("total", "C")
        assert await rows(app) == await fresh(app)


async def test_it_can_be_tried_without_any_effect(read_url: str, store: str) -> None:
    await park(read_url, store)
    async with counters(read_url, failing(14), store=store) as app:
        before = await rows(app), await app.projections.dead.keys()
        first, second = await app.projections.dead.retry("total", dry=True)
        assert (first.handled, first.left, first.error) == (3, 0, None)
        assert (second.handled, second.left) == (1, 2)
        assert (await rows(app), await app.projections.dead.keys()) == before


async def test_what_nobody_can_handle_is_left_out_for_ever(read_url: str, store: str) -> None:
    await park(read_url, store)
    async with counters(read_url, failing(13, 14), store=store) as app:
        skipping: dict[str, Any] = {"reason": "typing error", "by": "ann"}
        done = await app.projections.dead.skip("total", "A", **skipping)
        assert done == Retried("total", "A", 3, 0)
        done = await app.projections.dead.skip("total", "C", **skipping)
        assert (done.handled, done.left) == (1, 2)
        done = await app.projections.dead.skip("total", "C", reason="another", by="ben")
        assert done == Retried("total", "C", 2, 0)
        assert await rows(app) == await fresh(app, without={3, 6, 8})
        first, second, third = await app.projections.dead.skipped()
        assert (first.key, first.position, first.reason, first.by) == (
            "A",
            3,
            "typing error",
            "ann",
        )
        assert (second.position, third.position, third.by) == (6, 8, "ben")
        await app.projections.rebuild("total")
        assert await app.projections.dead.keys() == []
        assert await rows(app) == await fresh(app, without={3, 6, 8})
    async with counters(read_url, store=store) as app:  # also for code that could handle it
        await app.projections.rebuild("total")
        assert await rows(app) == await fresh(app, without={3, 6, 8})


async def test_leaving_out_needs_a_reason_and_a_name(read_url: str, store: str) -> None:
    await park(read_url, store)
    async with counters(read_url, failing(13), store=store) as app:
        for missing in ({"reason": " ", "by": "ann"}, {"reason": "because", "by": ""}):
            with pytest.raises(ValueError, match="needs a reason, and the name"):
                await app.projections.dead.skip("total", "A", **missing)
        assert len(await app.projections.dead.keys()) == 2


async def test_what_could_not_be_read_is_left_out_with_its_stream(
    read_url: str, store: str
) -> None:
    async with counters(read_url, store=store) as app:
        await append(app, counted("A", 1), unreadable("A"), counted("A", 2), shared("A", by=3))
        await append(app, counted("B", 9, "counter-A"))
        await caught_up(app)
        (dead,) = await app.projections.dead.keys()
        assert (dead.key, dead.events, dead.position) == ("stream:counter-A", 3, 2)
        (again,) = await app.projections.dead.retry(Total)
        assert (again.handled, again.left) == (0, 3)
        skipping: dict[str, Any] = {"reason": "broken import", "by": "ann"}
        done = await app.projections.dead.skip(Total, "stream:counter-A", **skipping)
        assert done == Retried("total", "stream:counter-A", 3, 0)
        assert await rows(app) == await fresh(app, without={2})
        await app.projections.rebuild(Total)
        assert await rows(app) == await fresh(app, without={2})


async def test_a_row_that_was_closed_meanwhile_is_closed(read_url: str, store: str) -> None:
    async with counters(read_url, failing(13), store=store) as app:
        await append(app, counted("A", 1), counted("A", 13), closed("A"), counted("A", 2))
        await caught_up(app)
        assert await rows(app) == {"A": (1, 1, 1)}
    async with counters(read_url, store=store) as app:
        await app.projections.dead.retry(Total, "A")
        assert await rows(app) == {"A": (2, 1, 4)} == await fresh(app)


async def test_other_code_than_that_of_the_rows_tries_nothing(read_url: str, store: str) -> None:
    await park(read_url, store)

    class Other(Total, name="total", revision=2): ...

    async with counters(read_url, Other, store=store, projecting=False) as app:
        with pytest.raises(WhenceError, match="total was made by other code than this"):
            await app.projections.dead.retry(Other, "A")


async def test_what_does_not_wait_is_not_found(read_url: str, store: str) -> None:
    await park(read_url, store)
    async with counters(read_url, store=store) as app:
        for question in (
            app.projections.dead.events(Total, "B"),
            app.projections.dead.retry(Total, "nobody"),
            app.projections.dead.skip(Total, "stream:counter-A", reason="x", by="y"),
        ):
            with pytest.raises(NotFound, match="nothing of total waits under"):
                await question


async def test_while_events_come_in(read_url: str, store: str) -> None:
    await park(read_url, store)
    async with counters(read_url, store=store) as app:
        for n in range(20):
            await append(app, counted("A", n), counted("B", n), shared("A", "C", by=n))
            if n == 10:
                await app.projections.dead.retry(Total)
        await caught_up(app)
        assert await rows(app) == await fresh(app)
        assert await app.projections.dead.keys() == []


async def test_those_of_a_projection(read_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with App("counters", Counter, Log, store="memory://", read=read_url) as app:
        await append(app, counted("A", 1), counted("A", 13), counted("B", 2), counted("A", 3))
        await caught_up(app, "log")
        (dead,) = await app.projections.dead.keys(Log)
        assert (dead.key, dead.events) == ("stream:counter-A", 2)
        (again,) = await app.projections.dead.retry(Log)
        assert (again.handled, again.left) == (0, 2)
        monkeypatch.setattr(Log, "broken", False)
        assert (await app.projections.dead.retry(Log, dry=True))[0].handled == 2
        assert (await app.projections.dead.retry(Log))[0].handled == 2
        statement = select(log.c.by).order_by(log.c.by)
        found = await app.running.reads.database.read(lambda c: c.scalars(statement).all())
        assert found == [1, 2, 3, 13]
        assert await app.projections.dead.keys() == []
