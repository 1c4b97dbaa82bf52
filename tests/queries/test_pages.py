"""Pages: complete and in order whatever the columns hold, and deaf to cursors that are none."""

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.queries.things import MIXED, Put, Thing, filled, things
from whence.errors import WiringError
from whence.queries import Rows

COLUMNS = ("name", "rank", "at", "price", "serial", "size", "day", "data", "on", "version")


def place(row: Thing, name: str) -> tuple[bool, Any]:
    """Where a row belongs: None before everything else."""
    value = getattr(row, name.removeprefix("-"))
    return (value is not None, value if value is not None else 0)


def in_order(rows: list[Thing], order: tuple[str, ...]) -> list[str]:
    """The keys of ``rows`` as Python sorts them."""
    found = sorted(rows, key=lambda row: row.thing_id)
    for name in reversed(order):
        found.sort(key=lambda row: place(row, name), reverse=name.startswith("-"))
    return [row.thing_id for row in found]


async def by_pages(rows: Rows[Thing], size: int) -> list[str]:
    """The keys of all rows, a page at a time."""
    keys: list[str] = []
    cursor: str | None = None
    while True:
        page = await rows.page(size, cursor)
        assert len(page.rows) <= size
        keys += [row.thing_id for row in page.rows]
        if (cursor := page.next) is None:
            return keys


@pytest.mark.parametrize("sign", ["", "-"])
async def test_pages_are_complete_and_in_order_by_any_column(store_url: str, sign: str) -> None:
    async with things.using(store=store_url) as app:
        rows = await filled(app, *MIXED)
        everything = await rows

        for column in (*COLUMNS, "colour"):
            for size in (1, 5, 23, 24, 100):
                keys = await by_pages(rows.order_by(sign + column), size)
                assert sorted(keys) == [f"T{number:02}" for number in range(24)]
                if column != "colour":  # a database sorts by values, Python not at all
                    assert keys == in_order(everything, (sign + column,)), (column, size)


_orders = st.lists(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(COLUMNS)), max_size=3
).map(lambda found: tuple(sign + name for sign, name in found))
_things = st.lists(
    st.builds(
        Put,
        thing_id=st.sampled_from("abcdefgh"),
        name=st.none() | st.sampled_from(["", "a", "b"]),
        rank=st.none() | st.integers(-1, 1),
        size=st.sampled_from(["0.1", "0.333333333333333314829616256247", "-0.0", "-inf"]),
        price=st.decimals(-2, 2, places=1),
    ),
    max_size=20,
)


@given(some=_things, order=_orders, size=st.integers(1, 9))
def test_pages_are_what_sorting_says(some: list[Put], order: tuple[str, ...], size: int) -> None:
    async def compare() -> None:
        async with things.using(store="memory://") as app:
            if some:
                rows = (await filled(app, *some)).order_by(*order)
                assert await by_pages(rows, size) == in_order(await rows, order)
                assert [row.thing_id async for row in rows] == in_order(await rows, order)

    asyncio.run(compare())


async def test_rows_that_come_and_go_move_no_others(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        rows = (await filled(app, *(Put(f"T{n}", rank=n) for n in range(6)))).order_by("-rank")
        first = await rows.page(2)
        rows = (await filled(app, Put("new", rank=9), Put("T5", rank=-9))).order_by("-rank")

        second = await rows.page(10, first.next)

        assert [row.thing_id for row in second.rows] == ["T3", "T2", "T1", "T0", "T5"]


async def test_iterating_keeps_to_limit_and_offset(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        rows = (await filled(app, *(Put(f"T{n}") for n in range(6)))).order_by("thing_id")

        part = rows.offset(1).limit(2)

        assert [row.thing_id async for row in part] == ["T1", "T2"]
        with pytest.raises(ValueError, match="leave out limit and offset"):
            await part.page(2)


def forged(change: Callable[[Any, Any], Any]) -> Callable[[str], str]:
    """A cursor, with its order and values changed."""

    def forge(cursor: str) -> str:
        order, values = json.loads(urlsafe_b64decode(cursor))
        return urlsafe_b64encode(json.dumps(change(order, values)).encode()).decode()

    return forge


FORGERIES: dict[str, Callable[[str], Any]] = {
    "cut short": lambda cursor: cursor[:-9],
    "no base 64": lambda _: "§§§",
    "no JSON": lambda _: urlsafe_b64encode(b"{").decode(),
    "no text": lambda _: 5,
    "empty": lambda _: "",
    "an object": forged(lambda order, values: {"order": order, "values": values}),
    "a number": forged(lambda order, values: 5),
    "too much": forged(lambda order, values: [order, values, 1]),
    "another order": forged(lambda order, values: [["name", "thing_id"], values]),
    "the other way": forged(lambda order, values: [["-at", "thing_id"], values]),
    "a value less": forged(lambda order, values: [order, values[:1]]),
    "a value more": forged(lambda order, values: [order, [*values, 1]]),
    "no moment": forged(lambda order, values: [order, ["soon", values[1]]]),
    "a moment without a zone": forged(
        lambda order, values: [order, ["2026-01-01T00:00:00", values[1]]]
    ),
    "None where it cannot be": forged(lambda order, values: [order, [None, values[1]]]),
    "a list for a text": forged(lambda order, values: [order, [values[0], ["T1"]]]),
    "half a character": forged(lambda order, values: [order, [values[0], "\ud800"]]),
    "a NUL character": forged(lambda order, values: [order, [values[0], "\0"]]),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_cursor_is_refused(forge: Callable[[str], Any]) -> None:
    async with things.using(store="memory://") as app:
        rows = (await filled(app, *MIXED)).order_by("at")
        cursor = (await rows.page(2)).next
        assert cursor is not None

        with pytest.raises(ValueError, match="cursor"):
            await rows.page(2, forge(cursor))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rank", "x"), ("rank", 2**63), ("rank", True), ("price", "much"), ("price", []),
        ("serial", "5"), ("colour", "green"), ("size", "big"), ("size", {}), ("day", "2026-13-01"),
        ("data", "!"), ("on", 1), ("version", None), ("tags", 5),
    ],
)  # fmt: skip
async def test_a_value_that_no_row_has_makes_no_cursor(column: str, value: Any) -> None:
    async with things.using(store="memory://") as app:
        rows = (await filled(app, *MIXED)).order_by(column)
        cursor = (await rows.page(2)).next
        assert cursor is not None

        with pytest.raises(ValueError, match="cursor"):
            await rows.page(2, forged(lambda order, values: [order, [value, values[1]]])(cursor))


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "5", None])
async def test_a_page_has_room_for_a_row(size: Any) -> None:
    async with things.using(store="memory://") as app:
        rows = await filled(app, *MIXED)

        with pytest.raises(ValueError, match="size is a whole number from 1 on"):
            await rows.page(size)
        assert len((await rows.page(10**30)).rows) == 24


async def test_an_order_names_columns() -> None:
    async with things.using(store="memory://") as app:
        for wrong in ("colours", "--rank", "", "name_folded", "whence_position"):
            with pytest.raises(WiringError, match="no column"):
                app.read(Thing).order_by(wrong)


async def test_cursors_go_on_where_they_were(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        rows = (await filled(app, *MIXED)).order_by("price", "-size", "name")
        pages = [await rows.page(3)]
        while cursor := pages[-1].next:
            pages.append(await rows.page(3, cursor))

        for one, following in pairwise(pages):
            assert await rows.page(3, one.next) == following
