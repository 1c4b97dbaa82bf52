"""Calls on the bare connection: values in binary, answers, errors, and the end of it."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from whence.backends.postgres import binary
from whence.backends.postgres.address import address
from whence.backends.postgres.connecting import connect
from whence.backends.postgres.failures import unsure
from whence.backends.postgres.wire import Wire


@pytest.fixture(params=[True, False], ids=["prepared", "not prepared"])
async def wire(postgres_schema: str, request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    connection = await connect(address(postgres_schema), "test")
    wire = Wire(connection, prepared=request.param, shared=False)
    yield wire
    await wire.close()


async def test_values_arrive_as_they_are(wire: Wire) -> None:
    statement = (
        b"select $1::text, $2::bigint, $3::text[], $4::bytea[], $5::bigint[], $6::integer[],"
        b" $7::boolean[], $8::text[], $9::bigint[], $10::text"
    )
    values = [
        binary.text("grün"),
        binary.bigint(-(2**62)),
        binary.texts(["a", None, "", 'q"{,}\\']),
        binary.byteas([b"\0\xff", b""]),
        binary.bigints([1, -1, 2**62]),
        binary.integers([7, -7]),
        binary.booleans([True, False]),
        binary.texts([]),
        binary.bigints([]),
        None,
    ]
    for _ in range(2):
        (row,) = await wire.call(statement, values)
        assert [field.decode() for field in row] == [
            "grün",
            str(-(2**62)),
            '{a,NULL,"","q\\"{,}\\\\"}',
            '{"\\\\x00ff","\\\\x"}',
            f"{{1,-1,{2**62}}}",
            "{7,-7}",
            "{t,f}",
            "{}",
            "{}",
            "",
        ]


async def test_what_is_larger_than_the_socket_holds_is_sent_as_there_is_room(wire: Wire) -> None:
    large = b"x" * 30_000_000
    assert await wire.call(b"select octet_length($1::bytea)", [large]) == [[b"30000000"]]


async def test_an_error_is_raised_and_the_next_call_answered(wire: Wire) -> None:
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await wire.call(b"select 1 / $1::bigint", [binary.bigint(0)])
    assert await wire.call(b"select 1 / $1::bigint", [binary.bigint(1)]) == [[b"1"]]


async def test_a_call_in_which_the_connection_ends_is_open(wire: Wire) -> None:
    with pytest.raises(psycopg.Error) as caught:
        await wire.call(b"select pg_terminate_backend(pg_backend_pid()), pg_sleep(60)", ())
    assert unsure(caught.value)
    with pytest.raises(psycopg.Error) as caught:
        await wire.call(b"select 1", ())
    assert unsure(caught.value)


async def test_a_call_under_way_fails_when_the_connection_is_closed(wire: Wire) -> None:
    await wire.call(b"select pg_sleep(0)", ())
    call = asyncio.create_task(wire.call(b"select pg_sleep(60)", ()))
    await asyncio.sleep(0)  # it is sent
    await wire.close()
    with pytest.raises(psycopg.OperationalError):
        await call


async def test_a_notification_is_heard_also_while_a_call_is_under_way(wire: Wire) -> None:
    await wire.call(b"listen news", ())
    for statement in (b"notify news", b"notify news"):
        heard = asyncio.create_task(wire.heard())
        await wire.call(statement, ())
        await heard


async def test_who_listens_learns_that_the_connection_is_lost(
    wire: Wire, postgres_schema: str
) -> None:
    pid = wire.connection.info.backend_pid
    heard = asyncio.create_task(wire.heard())
    async with await psycopg.AsyncConnection.connect(address(postgres_schema).url) as other:
        await other.execute("select pg_terminate_backend(%s)", [pid])
    with pytest.raises(psycopg.OperationalError):
        await heard
