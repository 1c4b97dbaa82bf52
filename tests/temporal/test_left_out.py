"""What is parked or skipped is not in the rows, and so not in their past either."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from whence import App, WhenceError
from whence.queries import Rows

from .sums import BROKEN, Added, Moved, Sum, stored

app = App("sums", Sum)


async def added(app: App, *events: object, stream: str = "") -> int:
    """Store ``events``, wait until they are handled or parked; return where the log ends."""
    head = await stored(app, *events, stream=stream)
    await sums(app).after(head, timeout=30)
    return head


def sums(app: App) -> Rows[Any]:
    return app.read(app.wiring.models[0])


async def table(app: App) -> dict[str, int]:
    return {row.sum_id: row.total for row in await sums(app)}


async def past(app: App, position: int) -> dict[str, int]:
    return {row.sum_id: row.total for row in await sums(app).as_of(position)}


async def test_a_parked_row_stays_as_it_was(store_url: str) -> None:
    async with app.using(store=store_url) as opened:
        before = await added(opened, Added("A", 1), Added("B", 2))
        head = await added(opened, Added("A", 13), Added("A", 5), Moved(["A", "B"]), Added("B", 1))

        assert await table(opened) == await past(opened, head) == {"A": 1, "B": 3}
        for key in ("A", "B"):
            now = await opened.read(Sum).get(key)
            assert await opened.read(Sum).as_of(head).get(key) == now
        assert [one.changes[0].after for one in await opened.why(Sum, "A", "total")] == [1]
        assert [one.type for one in await opened.why(Sum, "B", "moves")] == ["Moved", "Added"]
        assert [one.key for one in await opened.read(Sum).diff(before, head)] == ["B"]
        async with aclosing(opened.read(Sum).watch("A")) as watched:
            first = await asyncio.wait_for(anext(watched), 30)
            assert first is not None
            assert first.total == 1
            with pytest.raises(WhenceError, match=r"wait in the dead letters.*13 brings bad luck"):
                await asyncio.wait_for(anext(watched), 30)


async def test_rows_of_another_database_have_their_dead_letters_there(tmp_path: Path) -> None:
    class Beside(Sum, attempts=0, database=f"sqlite:///{tmp_path}/beside.db"):
        pass

    async with App("sums", Beside, store=f"sqlite:///{tmp_path}/sums.db") as opened:
        head = await added(opened, Added("A", 1), Added("A", 13), Added("A", 5), Added("B", 2))
        assert await table(opened) == await past(opened, head) == {"A": 1, "B": 2}

        await opened.projections.dead.skip(Beside, "A", reason="bad luck", by="ann")

        assert await table(opened) == await past(opened, head) == {"A": 6, "B": 2}


async def test_what_was_skipped_was_never_there(store_url: str) -> None:
    async with app.using(store=store_url) as opened:
        head = await added(opened, Added("A", 1), Added("A", 13), Added("A", 5), Moved(["A"]))
        assert await past(opened, head) == {"A": 1}

        await opened.projections.dead.skip(Sum, "A", reason="bad luck", by="ann")

        assert await table(opened) == await past(opened, head) == {"A": 6}
        assert [one.changes[0].after for one in await opened.why(Sum, "A", "total")] == [6, 1]


async def test_what_cannot_be_read_is_left_out_with_its_stream(store_url: str) -> None:
    async with app.using(store=store_url) as opened:
        await added(opened, Added("A", 1), stream="sum-A")
        head = await added(opened, BROKEN, Added("A", 5), stream="sum-A")
        head = await added(opened, Added("B", 2), stream="sum-B")

        assert await table(opened) == await past(opened, head) == {"A": 1, "B": 2}
        assert len(await opened.why(Sum, "A", "total")) == 1

        await opened.projections.dead.skip(Sum, "stream:sum-A", reason="broken", by="ann")

        assert await table(opened) == await past(opened, head) == {"A": 6, "B": 2}
        assert len(await opened.why(Sum, "A", "total")) == 2
