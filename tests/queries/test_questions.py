"""What can be asked of rows, and what is said to questions that cannot be."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.queries.things import START, Colour, Put, Thing, filled, things
from whence import App, Invalid
from whence.errors import WiringError
from whence.queries import Rows

ONE = Put(
    "T1", "Ann", 1, datetime(2026, 5, 1, tzinfo=UTC), Decimal("1.50"), UUID(int=1), Colour.BLUE,
    "0.1", date(2026, 5, 1), b"\0\xff", ("a", "b"), True,
)  # fmt: skip
OTHER = Put("T2")


async def keys(rows: Rows[Thing]) -> list[str]:
    return sorted([row.thing_id for row in await rows])


EQUALS: list[tuple[str, Any]] = [
    ("thing_id", "T1"),
    ("name", "Ann"),
    ("rank", 1),
    ("at", datetime(2026, 5, 1, tzinfo=UTC)),
    ("at", datetime.fromisoformat("2026-05-01T02:00+02:00")),
    ("at", "2026-05-01T00:00:00Z"),
    ("price", Decimal("1.5")),
    ("price", "1.50"),
    ("serial", UUID(int=1)),
    ("serial", str(UUID(int=1))),
    ("colour", Colour.BLUE),
    ("colour", "blue"),
    ("size", 0.1),
    ("day", date(2026, 5, 1)),
    ("data", b"\0\xff"),
    ("tags", ["a", "b"]),
    ("on", True),
]
"""Columns, and values of the first thing as they may be said."""


async def test_rows_are_found_by_any_column(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        rows = await filled(app, ONE, OTHER)

        for column, value in EQUALS:
            assert await keys(rows.where(**{column: value})) == ["T1"], (column, value)


async def test_none_and_several_values_can_be_asked_for(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        rows = await filled(app, ONE, OTHER, Put("T3", "Ben", 3))

        assert await keys(rows.where(name=None)) == ["T2"]
        assert await keys(rows.where(name=["Ann", "Ben"])) == ["T1", "T3"]
        assert await keys(rows.where(name=("Ann", None))) == ["T1", "T2"]
        assert await keys(rows.where(rank={1, 3})) == ["T1", "T3"]
        assert await keys(rows.where(name=[])) == []
        assert await keys(rows.where(name=[None])) == ["T2"]
        assert await keys(rows.where(colour=frozenset({Colour.BLUE, "red"}), on=False)) == [
            "T2",
            "T3",
        ]
        assert await rows.where(thing_id=[f"T{n}" for n in range(10_000)]).count() == 3
        with pytest.raises(ValueError, match="10001 values are more than 10000"):
            await rows.where(thing_id=[f"T{n}" for n in range(10_001)])


async def test_conditions_add_up(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        rows = await filled(app, ONE, OTHER, Put("T3", "Ben", 3))
        column = rows.table.c

        assert await keys(rows.where(column.rank > 0).where(name="Ben")) == ["T3"]
        assert await keys(rows.where(column.rank.is_(None))) == ["T2"]
        assert await keys(rows.where(name="Ann").where(name="Ben")) == []
        assert await keys(rows.where(column.at < START)) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("thing_id", 1),
        ("name", b"Ann"),
        ("name", "\ud800"),
        ("name", "a\0b"),
        ("rank", "1"),
        ("rank", True),
        ("rank", 2**63),
        ("rank", -(2**63) - 1),
        ("at", "yesterday"),
        ("at", datetime(2026, 5, 1)),
        ("price", "much"),
        ("serial", "1"),
        ("colour", "green"),
        ("size", "big"),
        ("day", 5),
        ("on", 1),
        ("version", "1"),
        ("rank", [1, "2"]),
        ("rank", {"a": 1}),
    ],
)
async def test_a_value_that_no_row_can_have_is_refused(column: str, value: Any) -> None:
    async with things.using(store="memory://") as app:
        with pytest.raises(Invalid) as refused:
            app.read(Thing).where(**{column: value})
        assert list(refused.value.fields) == [column]


async def test_a_key_that_no_row_can_have_is_refused() -> None:
    async with things.using(store="memory://") as app:
        for key in (5, b"T1", "a\0b", "\udfff", ["T1"], object()):
            with pytest.raises(Invalid, match="thing_id"):
                await app.read(Thing).get(key)
        assert await (await filled(app, ONE)).get(None) is None
        assert await app.read(Thing).get("x" * 100_000) is None


async def test_columns_that_are_not_there_are_named() -> None:
    async with things.using(store="memory://") as app:
        rows = app.read(Thing)
        askings: list[Callable[[], object]] = [
            lambda: rows.where(colours="red"),
            lambda: rows.where(whence_position=1),
            lambda: rows.starting_with(names="a"),
            lambda: rows.order_by("name", "-ranks"),
        ]
        for asking in askings:
            with pytest.raises(WiringError, match="its columns: thing_id, name, rank, at"):
                asking()
        with pytest.raises(WiringError, match=r"declare it as `colour: Annotated\[str, Index"):
            rows.starting_with(colour="r")


@pytest.mark.parametrize("condition", ["name = 'Ann'", True, None, len, Thing])
async def test_what_is_no_condition_is_refused(condition: Any) -> None:
    async with things.using(store="memory://") as app:
        rows = await filled(app, ONE)
        with pytest.raises(TypeError, match="is no condition"):
            await rows.where(condition)


async def test_limits_and_offsets(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        rows = (await filled(app, *(Put(f"T{n}") for n in range(5)))).order_by("thing_id")

        assert await rows.limit(0) == []
        assert await rows.limit(0).first() is None
        assert await rows.limit(0).count() == 0
        assert await keys(rows.limit(2).offset(3)) == ["T3", "T4"]
        assert await keys(rows.offset(4)) == ["T4"]
        assert await rows.offset(5) == []
        assert await rows.offset(10**30).limit(10**30) == []
        assert await rows.limit(3).count() == 3
        first = await rows.offset(2).first()
        assert first is not None
        assert first.thing_id == "T2"
        for wrong in (-1, True, 1.0, "1", None):
            wrongly: Any = wrong
            with pytest.raises(ValueError, match="limit is a whole number from 0 on"):
                rows.limit(wrongly)
            with pytest.raises(ValueError, match="offset is a whole number from 0 on"):
                rows.offset(wrongly)


NAMES = {
    "Straße": ["strasse", "STRASS", "straß", "Straße"],
    "Ångström": ["ångstr", "ÅNGSTRÖM", "A\u030angstro\u0308m", "\u212bng"],
    "ΣΊΣΥΦΟΣ": ["σίσυφος", "σίσυφο", "Σίσ"],
    "İstanbul": ["i\u0307st", "İST"],
    "ℌilbert": ["h", "HIL", "ℌ"],  # noqa: RUF001
    "ﬁnch": ["fin", "FI", "ﬁ"],
    "١٢٣": ["١٢"],
    "100%": ["100%", "1", "100"],
    "a_b": ["a_", "A_B"],
    "axb": ["ax"],
    "back\\slash": ["back\\"],
    "it's": ["it'", "IT'S"],
    "e\u0301cole": ["\u00e9co", "E\u0301C"],
    "日本語": ["日", "日本"],
    "😀 smile": ["😀", "😀 S"],
    "\U0010fffdlast": ["\U0010fffd"],
    "\u00a0 space": ["\u00a0", " "],
}


async def test_text_is_found_by_how_it_starts_whatever_its_case(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        puts = [Put(f"T{number}", name) for number, name in enumerate(NAMES)]
        rows = await filled(app, *puts, Put("none"), Put("empty", ""))

        for name, typed in NAMES.items():
            for beginning in typed:
                found = {row.name for row in await rows.starting_with(name=beginning)}
                assert name in found, (name, beginning)


TYPED: dict[str, set[str | None]] = {
    "100%": {"100%"},
    "%": set(),
    "a_": {"a_b"},
    "_": set(),
    "\\": set(),
    "'": set(),
    "' or 1=1 --": set(),
    "e": set(),  # é is another letter
    "日語": set(),
    "": {*NAMES, ""},
}


async def test_nothing_in_what_is_typed_has_a_meaning(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        puts = [Put(f"T{number}", name) for number, name in enumerate(NAMES)]
        rows = await filled(app, *puts, Put("none"), Put("empty", ""))

        for typed, expected in TYPED.items():
            assert {row.name for row in await rows.starting_with(name=typed)} == expected, typed


async def test_typing_can_be_hostile() -> None:
    async with things.using(store="memory://") as app:
        rows: Any = app.read(Thing)
        for typed in (5, b"a", "\ud800", "a\0"):
            with pytest.raises(Invalid, match="name"):
                rows.starting_with(name=typed)
        assert await (await filled(app, ONE)).starting_with(name="x" * 100_000) == []


async def plan(app: App, rows: Rows[Thing]) -> str:
    """How the database would find ``rows``."""
    engine = app.running.reads.database.engine
    statement = rows.select().compile(engine, compile_kwargs={"literal_binds": True})
    explain = "explain query plan" if engine.dialect.name == "sqlite" else "explain"

    def look() -> str:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("analyze thing"))
            found = connection.exec_driver_sql(f"{explain} {str(statement).replace('%', '%%')}")
            return "\n".join(" ".join(map(str, row)) for row in found)

    return look()


async def test_type_ahead_goes_along_the_index(store_url: str) -> None:
    async with things.using(store=store_url) as app:
        puts = [Put(f"T{number}", f"name {number}") for number in range(5_000)]
        rows = await filled(app, *puts)
        assert await rows.starting_with(name="NAME 499").count() == 11

        assert "name_folded" in await plan(app, rows.starting_with(name="NAME 499"))
        assert "name_folded" in await plan(app, rows.starting_with(name="NAME 499").limit(10))
        assert "name_folded" not in await plan(app, rows.where(rank=1))
