"""What is in the way of those who look after a read model: lost databases, unreadable events."""

import asyncio
from typing import Any, cast

import pytest
from sqlalchemy import text

from whence import App, ReadModel, evolve
from whence.errors import Invalid, StoreError, WhenceError
from whence.subscribers import Halted

from .counters import (
    Counted,
    Sums,
    Total,
    append,
    caught_up,
    counted,
    counters,
    filled,
    fresh,
    many,
    rows,
    status,
    subscription,
    unreadable,
    until,
)


class Numbers(ReadModel):
    """Rows whose keys are numbers."""

    number: int
    times: int = 0

    @evolve(key="by")
    def _(self, event: Counted) -> None:
        self.times += 1


async def test_a_database_that_was_away_while_it_was_paused(
    read_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counters(read_url) as app:
        await append(app, counted("A", 1))
        await caught_up(app)
        await app.projections.pause(Total)
        followed, looked = subscription(app), asyncio.Event()

        async def away() -> None:
            looked.set()
            raise StoreError("the database is away")

        with monkeypatch.context() as patched:
            patched.setattr(followed.subscriber, "marks", away)
            followed.wake()
            await looked.wait()
        await app.projections.resume(Total)
        await append(app, counted("A", 2))
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_a_read_model_that_has_lost_all_its_checkpoints_is_built_again(
    read_url: str, store: str
) -> None:
    await filled(read_url, store)
    async with counters(read_url, store=store, projecting=False) as app:
        gone = text("delete from whence_checkpoints where name = 'total'")
        await app.running.reads.database.write(lambda c: cast(Any, c.execute(gone)))
        await append(app, counted("A", 1))
    async with counters(read_url, store=store) as app:
        await caught_up(app)
        assert await rows(app) == await fresh(app)


@pytest.mark.parametrize("projecting", [False, True])
async def test_a_projection_that_is_paused_while_it_is_made_anew(
    read_url: str, projecting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counters(read_url, Sums, projecting=projecting) as app:
        await append(app, *many(20, 3))

        async def paused(*_: object) -> bool:
            raise Halted("paused")

        monkeypatch.setattr(subscription(app).subscriber, "apply", paused)
        with pytest.raises(WhenceError, match=r"^sums is paused: resume it first$"):
            await app.projections.rebuild(Sums)


async def test_what_stopped_it_before_a_rebuild_may_be_over(
    read_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counters(read_url, Sums) as app:
        await append(app, *many(20, 3))
        await caught_up(app)
        followed = subscription(app)

        async def away(*_: object) -> bool:
            raise StoreError("the database is away")

        with monkeypatch.context() as patched:
            patched.setattr(followed.subscriber, "apply", away)
            await append(app, counted("A", 1))
            await until(lambda: _failed(app))
        await app.projections.rebuild(Sums)
        assert (await status(app)).error is None


async def _failed(app: App) -> bool:
    return (await status(app)).state == "failed"


async def test_an_event_that_cannot_be_read_is_compared_with_nothing(read_url: str) -> None:
    async with counters(read_url) as app:
        await append(app, counted("A", 1), unreadable("B"), counted("C", 1), counted("B", 3))
        await caught_up(app)
        for found in (
            await app.verify(Total),
            await app.verify(Total, keys=["A", "B"]),
            await app.verify(Total, sample=50),
        ):
            assert (found.in_sync, found.parked) == (True, 2)
        await app.projections.rewind(Total, 0)
        await app.projections.dead.skip(Total, "stream:counter-B", reason="a typo", by="us")
        assert (await app.verify(Total)).in_sync


async def test_a_position_is_a_place_in_the_log(read_url: str) -> None:
    async with counters(read_url, Sums) as app:
        await append(app, *many(5, 3))
        await caught_up(app)
        with pytest.raises(ValueError, match=r"^positions count from 1"):
            await app.projections.rewind(Sums, -5)


async def test_a_key_of_another_type_deletes_no_row(read_url: str) -> None:
    async with counters(read_url, Numbers) as app:
        await append(app, counted("A", 1), counted("A", 7))
        await caught_up(app)
        with pytest.raises(Invalid):
            await app.verify(Numbers, keys=["7"], repair=True)
        assert await app.read(Numbers).get(7) == Numbers(number=7, times=1, version=2)
