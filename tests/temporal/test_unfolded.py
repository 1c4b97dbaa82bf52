"""What cannot be folded is told to who asks for its row, and all other rows are answered.

Those are as a read model in a table has them, which has parked it.
"""

import logging
from typing import Any

import pytest

from whence import Aggregate, App, evolve
from whence.envelope import NewEvent, new_id
from whence.errors import HandlerFailed, Undecodable, UnknownType
from whence.store import Commit

from .sums import BROKEN, Added, Sum, stored


class Purse(Aggregate, id="sum_id"):
    @evolve
    def _(self, event: Added) -> None: ...


class Live(Sum, kind="live"):
    pass


class Late(Sum):
    """Nobody projects it, so nobody has parked anything."""


GOOD = [Added("A", 1), Added("B", 2)]
BAD = [Added("A", 13), Added("A", 4), Added("B", 3)]
TOO_MUCH = [Added("A", 2**62), Added("A", 2**62), Added("A", 4), Added("B", 3)]
"""Together, no table can keep it."""


def sums(*parts: Any, **options: Any) -> App:
    return App("sums", *parts, **options)


async def added(app: App, *events: Added) -> int:
    """Store events, each in a stream of its sum, and return where the log ends."""
    for one in events:
        await stored(app, one, stream=f"sum-{one.sum_id}")
    return await app.running.store.head()


async def totals(app: App, model: type[Sum], at: int | None = None) -> dict[str, int]:
    rows = app.read(model) if at is None else app.read(model).as_of(at)
    return {row.sum_id: row.total for row in await rows}


@pytest.mark.parametrize("bad", [BAD, TOO_MUCH], ids=["failing", "too much"])
async def test_all_rows_are_those_of_a_table_that_has_parked_it(
    store_url: str, bad: list[Added]
) -> None:
    async with sums(Sum, Live, store=store_url) as app:
        await added(app, *GOOD)
        assert await totals(app, Live) == {"A": 1, "B": 2}
        head = await added(app, *bad)
        await app.read(Sum).after(head, timeout=30)

        kept = await totals(app, Sum)

        assert kept["B"] == 5
        assert await totals(app, Live) == kept == await totals(app, Live, head)
        assert await app.read(Live).count() == 2
        await added(app, Added("A", 5), Added("B", 5))
        assert await totals(app, Live) == kept | {"B": 10}


async def test_the_row_itself_is_answered_with_the_error(store_url: str) -> None:
    async with sums(Late, Live, store=store_url, projecting=False) as app:
        good = await added(app, *GOOD)
        bad = await added(app, *BAD)

        for rows in (app.read(Live), app.read(Live).as_of(bad), app.read(Late).as_of(bad)):
            with pytest.raises(HandlerFailed, match=r"at position 3 .*13 brings bad luck"):
                await rows.get("A")
            row = await rows.get("B")
            assert row is not None
            assert row.total == 5
        row = await app.read(Live).as_of(good).get("A")
        assert row is not None
        assert row.total == 1


async def test_the_past_of_rows_that_are_not_made_yet_leaves_it_out(store_url: str) -> None:
    async with sums(Late, store=store_url, projecting=False) as app:
        good = await added(app, *GOOD)
        bad = await added(app, *BAD)

        assert await totals(app, Late, good) == {"A": 1, "B": 2}
        assert await totals(app, Late, bad) == {"A": 1, "B": 5}
        (change,) = await app.read(Late).diff(good, bad)
        assert (change.key, change.changes[0].after) == ("B", 5)
        (change,) = await app.read(Late).diff(bad, await added(app, Added("A", 1), Added("B", 1)))
        assert (change.key, change.changes[0].after) == ("B", 6)


async def test_what_is_left_out_is_said_once(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with sums(Live, store=store_url) as app:
        head = await added(app, *GOOD, *BAD)
        with caplog.at_level(logging.WARNING, "whence"):
            for _ in range(2):
                await totals(app, Live)
                await totals(app, Live, head)

    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(
        "live is answered without what 'A' brings from position 3 on: live cannot handle the"
        " 'Added' at position 3 (sum-A version 2): ValueError: 13 brings bad luck"
    )
    assert said.endswith("Mend the handler, or what it cannot read")


async def test_what_cannot_be_read_concerns_its_stream_alone(store_url: str) -> None:
    async with sums(Sum, Live, store=store_url) as app:
        await added(app, *GOOD)
        await stored(app, BROKEN, stream="sum-A")
        head = await added(app, Added("A", 4), Added("B", 3))
        await app.read(Sum).after(head, timeout=30)

        assert await totals(app, Live) == await totals(app, Sum) == {"A": 1, "B": 5}
        row = await app.read(Live).get("B")
        assert row is not None
        assert row.total == 5
        with pytest.raises(Undecodable, match="position 3"):
            await app.read(Live).get("A")


@pytest.mark.parametrize("before", [True, False])
async def test_whoever_has_events_where_one_cannot_be_read_may_miss_it(
    store_url: str, before: bool
) -> None:
    async with sums(Live, store=store_url) as app:
        if before:
            await stored(app, Added("A", 1), stream="mixed-1")
        await stored(app, BROKEN, stream="mixed-1")
        if not before:
            await stored(app, Added("A", 1), stream="mixed-1")
        await stored(app, Added("C", 1), stream="mixed-2")

        with pytest.raises(Undecodable, match="position"):
            await app.read(Live).get("A")
        assert await app.read(Live).get("C") == Live("C", 1, version=1)


async def test_a_type_that_nobody_knows_is_no_fault_of_a_row(store_url: str) -> None:
    """A newer version of the application writes it: no answer of this one would be right."""
    async with sums(Purse, Live, store=store_url) as app:
        for one in GOOD:
            await stored(app, one, stream=f"purse-{one.sum_id}")
        assert await totals(app, Live) == {"A": 1, "B": 2}
        strange = NewEvent("Strange", b"{}", "purse-A")
        await app.running.store.append([Commit(new_id(), [strange])])

        with pytest.raises(UnknownType, match="position 3"):
            await totals(app, Live)
        with pytest.raises(UnknownType, match="position 3"):
            await app.read(Live).get("A")
        assert await app.read(Live).get("B") is not None
