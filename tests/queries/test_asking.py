"""Queries as messages: exactly one handler each, and clear words where there is none."""

from typing import Any

import pytest

from tests.queries.things import Put, Thing, filled, things
from whence import App, Invalid, command, query
from whence.errors import WiringError


@query
class CountThings:
    least: int = 0


@query
class Nobody:
    pass


@command
class PutAway:
    thing_id: str


@query
class Other:
    pass


def fresh() -> App:
    return things.using(store="memory://")


async def test_a_plain_or_async_function_answers() -> None:
    app = fresh()

    @app.answers
    async def count(query: CountThings, app: App) -> int:
        return await app.read(Thing).where(app.read(Thing).table.c.rank >= query.least).count()

    @app.answers
    def nobody(query: Nobody) -> str:
        return "nobody"

    async with app:
        await (await filled(app, Put("T1", rank=1), Put("T2", rank=5))).count()
        assert await app.ask(CountThings(2)) == 1
        assert await app.ask(Nobody()) == "nobody"


async def test_one_function_may_answer_two_queries() -> None:
    app = fresh()

    @app.answers
    def either(query: Nobody | Other) -> str:
        return type(query).__name__

    async with app:
        assert [await app.ask(Nobody()), await app.ask(Other())] == ["Nobody", "Other"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Nobody(), "Nobody .* has no handler: decorate a function with @app.answers"),
        (Nobody, r"is a class: ask one of them, as in Nobody\(\.\.\.\)"),
        (PutAway("T1"), r"is no query. Commands are sent: app.send\(PutAway\(\.\.\.\)\)"),
        (5, "5 is no query: decorate its class with @query"),
        (None, "None is no query"),
    ],
)
async def test_what_nobody_answers_is_said(asked: Any, says: str) -> None:
    async with fresh() as app:
        with pytest.raises(WiringError, match=says):
            await app.ask(asked)


async def test_a_malformed_query_is_refused() -> None:
    app = fresh()

    @app.answers
    def count(query: CountThings) -> int:
        raise AssertionError("nobody may call it")

    wrong: Any = "many"
    async with app:
        with pytest.raises(Invalid) as refused:
            await app.ask(CountThings(wrong))
        assert refused.value.fields == {"least": "Expected `int`, got `str`"}


async def test_an_error_of_the_handler_reaches_who_asked() -> None:
    app = fresh()

    @app.answers
    async def nobody(query: Nobody) -> str:
        raise LookupError("not today")

    async with app:
        with pytest.raises(LookupError, match="not today"):
            await app.ask(Nobody())


async def test_an_answer_that_is_only_a_promise_is_refused() -> None:
    app = fresh()

    @app.answers
    async def nobody(query: Nobody, app: App) -> Any:
        return app.read(Thing).count()  # without `await`

    async with app:
        with pytest.raises(
            WiringError, match=r"the answer at .+test_asking.py:\d+ gives a promise"
        ):
            await app.ask(Nobody())


async def refused(function: Any) -> str:
    app = fresh()
    app.answers(function)
    with pytest.raises(WiringError) as error:
        await app.__aenter__()
    return str(error.value)


async def test_what_answers_no_query_is_refused_at_start() -> None:
    def nothing() -> None: ...
    def untyped(query): ...  # type: ignore[no-untyped-def] # pyright: ignore
    def of_a_command(query: PutAway) -> None: ...
    def of_a_number(query: int) -> None: ...
    def too_many(query: Nobody, app: App, more: int) -> None: ...

    assert "takes the query" in await refused(nothing)
    assert "does not say which query" in await refused(untyped)
    assert "is used as a query: decorate it with @query" in await refused(of_a_command)
    assert "is not a message: a class of yours with @query is wanted" in await refused(of_a_number)
    assert "takes the query" in await refused(too_many)


async def test_two_handlers_of_one_query_are_refused_at_start() -> None:
    app = fresh()

    @app.answers
    def one(query: Nobody) -> None: ...

    @app.answers
    def other(query: Nobody) -> None: ...

    with pytest.raises(WiringError, match=r"has two handlers, at .* and at .*Remove one"):
        await app.__aenter__()
