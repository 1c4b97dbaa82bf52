"""A read model gets other columns, and neither old code nor new is left without answers."""

import asyncio

import pytest
from sqlalchemy import Connection

from whence import App, ReadModel, evolve
from whence.backends.sql import answering
from whence.backends.sql.generations import Generations
from whence.errors import Behind, WhenceError

from .counters import Counted, Total, append, caught_up, counted, counters, many, status, until

EVENTS, COUNTERS = 60, 6


class Wider(ReadModel, name="total"):
    """With a column more and one less."""

    counter_id: str
    total: int = 0
    largest: int = 0

    @evolve
    def _(self, event: Counted) -> None:
        self.total += event.by
        self.largest = max(self.largest, event.by)


@pytest.fixture(autouse=True)
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Opens the way for the new table to take the old one's place."""
    opened = asyncio.Event()
    original = Generations.switch

    def switch(self: Generations, connection: Connection) -> bool:
        return opened.is_set() and original(self, connection)

    monkeypatch.setattr(Generations, "switch", switch)
    return opened


async def building(app: App) -> None:
    async def is_building() -> bool:
        standing = await status(app)
        return standing.state == "rebuilding"

    await until(is_building)


async def test_the_old_table_answers_until_the_new_one_can(
    read_url: str, store: str, gate: asyncio.Event
) -> None:
    async with counters(read_url, store=store) as old:
        last = await append(old, *many(EVENTS, COUNTERS))
        await caught_up(old)
        async with counters(read_url, Wider, store=store) as new:
            await building(new)
            last = await append(old, counted("C1", 1_000))
            row = await old.read(Total).get("C1", after=last)
            assert row == Total("C1", total=1_280, events=11, version=11)
            assert await old.read(Total).count() == COUNTERS

            asked = asyncio.create_task(new.read(Wider).get("C1", after=last, timeout=30))
            plainly = asyncio.create_task(new.read(Wider).count())
            await asyncio.wait([asked, plainly], timeout=0.2)
            assert not asked.done()
            assert not plainly.done()
            gate.set()
            assert await asked == Wider("C1", total=1_280, largest=1_000, version=11)
            assert await plainly == COUNTERS
            with pytest.raises(WhenceError, match="were made by another version"):
                await old.read(Total).get("C1")
            with pytest.raises(WhenceError, match="were made by another version"):
                await old.read(Total).count()


async def test_who_waits_for_too_long_is_told_how_far_it_is(
    read_url: str, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "_PATIENCE", 0.1)
    async with counters(read_url, store=store) as old:
        await append(old, *many(EVENTS, COUNTERS))
        await caught_up(old)
    async with counters(read_url, Wider, store=store) as new:
        await building(new)
        with pytest.raises(Behind) as caught:
            await new.read(Wider).where(total=3).limit(5)
        assert caught.value.wanted == EVENTS


async def test_who_only_asks_is_told_that_others_have_made_it(read_url: str, store: str) -> None:
    async with counters(read_url, store=store) as old:
        await append(old, *many(EVENTS, COUNTERS))
        await caught_up(old)
    async with counters(read_url, Wider, store=store, projecting=False) as new:
        with pytest.raises(WhenceError, match="were made by another version"):
            await new.read(Wider).get("C1")


async def test_code_that_goes_back_finds_its_table(
    read_url: str, store: str, gate: asyncio.Event
) -> None:
    gate.set()
    async with counters(read_url, store=store) as old:
        await append(old, *many(EVENTS, COUNTERS))
        await caught_up(old)
    async with counters(read_url, Wider, store=store) as new:
        await caught_up(new)
        assert await new.read(Wider).count() == COUNTERS
        last = await append(new, counted("C1", 1_000))
    async with counters(read_url, store=store) as old:
        row = await old.read(Total).get("C1", after=last)
        assert row == Total("C1", total=1_280, events=11, version=11)
        assert (await status(old)).generation == 1


async def test_rows_of_other_code_are_not_compared(read_url: str, store: str) -> None:
    async with counters(read_url, store=store) as old:
        await append(old, *many(EVENTS, COUNTERS))
        await caught_up(old)
    async with counters(read_url, Wider, store=store) as new:
        await building(new)
        with pytest.raises(WhenceError, match="were made by another version"):
            await new.verify(Wider)


async def test_a_table_of_before_that_stands_still_says_how_to_go_on(
    read_url: str, store: str, gate: asyncio.Event
) -> None:
    gate.set()
    async with counters(read_url, store=store) as old:
        last = await append(old, *many(EVENTS, COUNTERS))
        await caught_up(old)
        await old.projections.pause(Total)
    async with counters(read_url, store=store) as old:
        assert await old.read(Total).after(last, 5).count() == COUNTERS  # it stands at the end
    async with counters(read_url, Wider, store=store) as new:
        with pytest.raises(Behind, match="It is paused: `whence projections resume total`"):
            await new.read(Wider).after(last, 0.5).count()
        with pytest.raises(WhenceError, match="It is paused: `whence projections resume total`"):
            await new.read(Wider).count()
        await new.projections.resume(Wider)
        assert await new.read(Wider).after(last, 30).count() == COUNTERS
