"""No event appears behind a reader, nobody keeps readers waiting for ever: on each version."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest

from whence.backends.postgres import PostgresStore
from whence.store import ALL, in_stream
from whence.testing.conformance.words import append, collect, event, happened, outcome, stored
from whence.testing.postgres import PostgresServer, PrivatePostgres

from .slow import Follower, Session, log

Sessions = Callable[[], Session]


@pytest.fixture
def postgres_schema(schemas_of_every_server: Iterator[str]) -> str:
    return next(schemas_of_every_server)


@pytest.fixture
async def store(postgres_schema: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore(postgres_schema) as store:
        yield store


@pytest.fixture
def sessions(postgres_schema: str) -> Iterator[Sessions]:
    with ExitStack() as open:
        yield lambda: open.enter_context(Session(postgres_schema))


@pytest.fixture
def follower(store: PostgresStore) -> Follower:
    return Follower(store)


# Who appends slowly


async def test_what_a_slow_writer_stores_does_not_appear_behind_a_reader(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    await append(store, event("first"))
    slow = sessions()
    slow.happens("slow")
    await append(store, event("quick"))
    assert await follower.look() == ["first"]
    slow.connection.commit()
    assert await follower.look() == ["slow", "quick"]


async def test_of_several_slow_writers_the_slowest_counts(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    one, two, three = sessions(), sessions(), sessions()
    for number, slow in enumerate((one, two, three), 1):
        slow.happens(f"slow {number}")
        await append(store, event(f"quick {number}"))
    two.connection.commit()
    assert await follower.look() == []
    one.connection.commit()
    assert await follower.look() == ["slow 1", "quick 1", "slow 2", "quick 2"]
    three.connection.commit()
    assert await follower.look() == ["slow 3", "quick 3"]


async def test_a_position_drawn_before_anything_is_written_is_waited_for(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    await append(store, event("first"))
    slow = sessions()
    assert slow.draw() == 2
    while slow.run("select pg_current_xact_id_if_assigned()") != [(None,)]:
        slow.connection.rollback()  # the first to draw after a checkpoint does write
        slow.draw()
    await append(store, event("quick"))
    assert await follower.look() == ["first"]
    slow.connection.rollback()
    assert await follower.look() == ["quick"]


async def test_a_slow_writer_that_gives_up_leaves_a_gap_that_nobody_waits_for(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    slow = sessions()
    slow.happens("never")
    await append(store, event("quick"))
    slow.connection.rollback()
    assert await follower.look() == ["quick"]
    assert [e.position for e in await collect(store.read(ALL))] == [2]


async def test_a_slow_writer_that_is_killed_leaves_a_gap_that_nobody_waits_for(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    slow = sessions()
    slow.happens("never")
    await append(store, event("quick"))
    with sessions() as other:
        other.run("select pg_terminate_backend(%b, 5000)", slow.pid)
    assert await follower.look() == ["quick"]


async def test_a_gap_at_the_very_beginning_is_no_end(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    slow = sessions()
    for _ in range(40):
        slow.draw()
    slow.connection.rollback()
    assert await follower.look() == []
    await append(store, event("first"))
    assert await follower.look() == ["first"]


async def test_who_waits_is_woken_when_the_slow_writer_is_done(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    slow = sessions()
    slow.happens("slow")
    await append(store, event("quick"))
    waiting = asyncio.create_task(store.wait(follower.after, 60))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    slow.connection.commit()
    await asyncio.wait_for(waiting, 30)
    assert await follower.look() == ["slow", "quick"]


async def test_a_stream_can_be_read_beyond_what_is_delivered(
    store: PostgresStore, sessions: Sessions
) -> None:
    slow = sessions()
    slow.happens("slow", "s")
    await append(store, event("quick", "t"))
    pages = [page async for page in store.read(in_stream("t"))]
    assert [e.type for e in pages[-1].events] == ["quick"]
    stored(await outcome(store, happened("t", expected=1)))
    assert await log(store) == []


async def test_a_reader_claims_nothing_that_a_crash_could_draw_again(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    last = await append(store, event("first"))
    slow = sessions()
    for _ in range(5):
        slow.draw()
    slow.connection.rollback()
    await follower.look()
    assert await store.head() == follower.after == last.position


# Who does something else


async def test_a_write_transaction_in_another_database_holds_nobody_up(
    store: PostgresStore, every_server: PostgresServer, follower: Follower
) -> None:
    other = every_server.create_database()
    with psycopg.connect(other) as busy:
        busy.execute("create table t (n int)")
        assert busy.execute("select pg_current_xact_id_if_assigned()").fetchone() != (None,)
        await append(store, event("quick"))
        assert await follower.look() == ["quick"]
        busy.rollback()
    every_server.drop_database(other)


async def test_an_append_in_another_schema_holds_nobody_up(
    store: PostgresStore, schemas_of_every_server: Iterator[str], follower: Follower
) -> None:
    elsewhere = next(schemas_of_every_server)
    async with PostgresStore(elsewhere):
        with Session(elsewhere) as slow:
            slow.happens("slow", "s")
            await append(store, event("quick", "s"))
            assert await follower.look() == ["quick"]


async def test_a_long_reading_transaction_holds_nobody_up(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    reader = sessions()
    reader.run("set transaction isolation level repeatable read")
    reader.run("select count(*) from whence.events")
    await append(store, event("quick"))
    assert await follower.look() == ["quick"]


async def test_an_idle_write_transaction_holds_nobody_up(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    idle = sessions()
    idle.run("create temporary table t as select pg_current_xact_id() as id")
    await append(store, event("quick"))
    assert await follower.look() == ["quick"]


async def test_versions_of_a_stream_are_delivered_in_order(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    old = sessions()
    old.run("create temporary table t as select pg_current_xact_id() as id")  # an early id
    await append(store, event("v1", "s"))
    old.happens("v2", "s")
    assert await follower.look() == ["v1"]
    old.connection.commit()
    assert await follower.look() == ["v2"]
    found = await collect(store.read(ALL))
    assert [(e.type, e.version) for e in found] == [("v1", 1), ("v2", 2)]


# Prepared transactions


async def test_a_forgotten_prepared_transaction_holds_nobody_up(
    store: PostgresStore, sessions: Sessions, follower: Follower
) -> None:
    with sessions() as other:
        other.run("select pg_current_xact_id()")
        other.run("prepare transaction 'forgotten'")
    await append(store, event("quick"))
    assert await follower.look() == ["quick"]
    end("rollback prepared 'forgotten'", store)


@pytest.mark.parametrize(
    ("ending", "seen"), [("commit", ["slow", "quick"]), ("rollback", ["quick"])]
)
async def test_a_prepared_append_is_waited_for(
    store: PostgresStore, sessions: Sessions, follower: Follower, ending: str, seen: list[str]
) -> None:
    with sessions() as slow:
        slow.happens("slow")
        slow.run(f"prepare transaction 'append {ending}'")
    await append(store, event("quick"))
    assert await follower.look() == []
    end(f"{ending} prepared 'append {ending}'", store)
    assert await follower.look() == seen


def end(statement: str, store: PostgresStore) -> None:
    with psycopg.connect(store.address.url, autocommit=True) as connection:
        connection.execute(statement.encode())


# Crashes


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    """One that a test may kill."""
    with PrivatePostgres(max_prepared_transactions=5) as started:
        yield started


async def test_a_prepared_append_is_waited_for_after_a_crash(server: PrivatePostgres) -> None:
    url = server.create_database()
    async with PostgresStore(url) as store:
        await append(store, event("first"))
        with Session(url) as slow:
            slow.happens("slow")
            slow.run("prepare transaction 'slow'")
        await append(store, event("quick"))
    server.kill()
    server.start()
    async with PostgresStore(url) as store:
        await append(store, event("after"))
        assert await log(store) == ["first"]
        end("commit prepared 'slow'", store)
        assert await log(store) == ["first", "slow", "quick", "after"]


async def test_positions_go_on_behind_what_was_read_before_a_crash(
    server: PrivatePostgres,
) -> None:
    url = server.create_database()
    async with PostgresStore(url) as store:
        follower = Follower(store)
        for number in range(40):
            await append(store, event(str(number)))
            with Session(url) as never:
                never.happens("never")
        await follower.look()
    server.kill()
    server.start()
    async with PostgresStore(url) as store:
        await append(store, event("after"))
        (new,) = [e async for page in store.read(ALL, after=follower.after) for e in page.events]
        assert new.type == "after"
