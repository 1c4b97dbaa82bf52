"""Who waits for a lock, and for how long; the others go on."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from whence.backends.postgres import PostgresStore, writer
from whence.envelope import NewEvent
from whence.errors import StoreBusy
from whence.store import ALL, in_stream, matching
from whence.testing.conformance.words import (
    collect,
    commit,
    event,
    happened,
    outcome,
    stored,
    types,
)
from whence.testing.postgres import PrivatePostgres

from .slow import Session, claim


@pytest.fixture
async def store(postgres_schema: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore(postgres_schema) as store:
        yield store


@pytest.fixture
def slow(store: PostgresStore, postgres_schema: str) -> Iterator[Session]:
    """Has written to the stream s, and to a tag, and does not commit."""
    with Session(postgres_schema) as session:
        session.append(commit(event("slow", "s"), claim("name:taken")))
        yield session


async def test_a_call_that_waits_does_not_keep_others_waiting(
    store: PostgresStore, slow: Session
) -> None:
    waiting = asyncio.create_task(outcome(store, happened("s")))
    for version in range(5):
        together = [happened(f"t{number}", expected=version) for number in range(8)]
        for told in await asyncio.gather(*[outcome(store, each) for each in together]):
            stored(told)
    assert not waiting.done()
    slow.connection.commit()
    assert stored(await waiting).versions == {"s": 2}


async def test_many_that_wait_are_all_stored_in_the_end(
    store: PostgresStore, slow: Session
) -> None:
    waiting = [asyncio.create_task(outcome(store, happened("s"))) for _ in range(10)]
    stored(await outcome(store, happened("t")))
    slow.connection.rollback()
    for told in await asyncio.gather(*waiting):
        stored(told)
    found = await collect(store.read(in_stream("s")))
    assert [e.version for e in found] == list(range(1, 11))


async def test_a_claim_waits_for_who_may_have_claimed_before(
    store: PostgresStore, slow: Session
) -> None:
    free, taken = (
        commit(claim(f"name:{word}"), unless=matching(tags=[f"name:{word}"]))
        for word in ("free", "taken")
    )
    waiting = asyncio.create_task(outcome(store, taken))
    stored(await outcome(store, free))
    assert not waiting.done()
    slow.connection.rollback()
    stored(await waiting)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_TOGETHER", 0.05)
    monkeypatch.setattr(writer, "_PATIENCE", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_who_waits_too_long_is_told_and_stores_nothing(
    store: PostgresStore, slow: Session
) -> None:
    told = await asyncio.gather(
        *[outcome(store, happened(stream)) for stream in ("s", "t", "s")], return_exceptions=True
    )
    for error in (told[0], told[2]):
        assert isinstance(error, StoreBusy)
        assert "`whence doctor` says who" in str(error)
    assert not isinstance(told[1], BaseException)
    stored(told[1])
    slow.connection.rollback()
    assert await types(store.read(in_stream("s"))) == []
    stored(await outcome(store, happened("s")))


@contextmanager
def few_locks_left(url: str, count: int) -> Generator[None, None, None]:
    """Take all locks that the server has, however many that are, and give back ``count``."""
    with psycopg.connect(url, autocommit=True) as connection:
        for key in itertools.count():
            try:
                connection.execute("select pg_advisory_lock(%s)", (key,))
            except psycopg.errors.OutOfMemory:
                break
        connection.execute("select pg_advisory_unlock(n) from generate_series(1, %s) n", (count,))
        yield


async def test_with_more_names_than_a_server_has_locks_one_lock_must_do() -> None:
    with PrivatePostgres(max_locks_per_transaction=10, max_connections=12) as server:
        url = server.create_database()
        async with PostgresStore(url) as store:
            with few_locks_left(url, 200):
                before = server.log.count("out of shared memory")
                some = [
                    commit(NewEvent("tag", b"", f"s{n}", tuple(f"t{n}:{m}" for m in range(450))))
                    for n in range(3)
                ]
                for told in await asyncio.gather(*[outcome(store, each) for each in some]):
                    stored(told)
                late = commit(event("late"), unless=matching(tags=["t1:449"]))
                assert "match the condition" in str(await outcome(store, late))
            assert len(await collect(store.read(ALL))) == 3
        assert server.log.count("out of shared memory") > before
