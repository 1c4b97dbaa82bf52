"""Whatever happens to connections and servers: what is acknowledged is stored exactly once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import psycopg
import pytest

from whence.backends.postgres import PostgresStore, lane
from whence.backends.postgres.address import address
from whence.envelope import NewEvent
from whence.errors import Conflict, StoreBusy, StoreError, Unknown
from whence.store import ALL, Appended, Commit, EventStore, in_stream, of_commit
from whence.testing.conformance.words import (
    append,
    collect,
    commit,
    event,
    happened,
    outcome,
    stored,
)
from whence.testing.postgres import PrivatePostgres, Stopping

from .proxy import MARK, Moment, Proxy
from .slow import Session

WRITERS = 8
ENDED = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where application_name = %s and datname = current_database()"
)


class Ledger:
    """What writers were told, to be compared with what is stored."""

    def __init__(self) -> None:
        self.stored: list[str] = []
        self.refused: list[str] = []
        self.unknown: list[str] = []
        self.failures: Counter[str] = Counter()

    async def write(self, store: EventStore, stream: str, until: Callable[[], bool]) -> None:
        """Append to a stream of one's own, one after the other, and note what one is told."""
        version = 0
        while not until():
            some = happened(stream, random.randint(1, 2), expected=version)
            try:
                version = self._note(some, await outcome(store, some), version)
            except StoreError as error:
                self.failures[type(error).__name__] += 1
                self.refused.append(some.id)
                await asyncio.sleep(0.02)

    def _note(self, commit: Commit, told: Appended | Conflict | Unknown, version: int) -> int:
        if isinstance(told, Appended):
            self.stored.append(commit.id)
            return told.versions[commit.events[0].stream]
        if isinstance(told, Unknown):
            self.unknown.append(commit.id)
        else:  # what was unknown has been stored
            self.refused.append(commit.id)
            version = max(told.actual.values())
        return version

    async def compare(self, store: EventStore) -> None:
        """Each commit that was acknowledged is there once, as a whole; no refused one is."""
        log = await collect(store.read(ALL))
        ordinals: dict[str, list[int]] = {}
        versions: dict[str, int] = {}
        for found in log:
            ordinals.setdefault(found.commit_id, []).append(found.ordinal)
            versions[found.stream] = version = versions.get(found.stream, 0) + 1
            assert found.version == version
        assert all(places in ([0], [0, 1]) for places in ordinals.values())
        assert not set(self.stored) - ordinals.keys()
        assert not set(self.refused) & ordinals.keys()
        assert ordinals.keys() <= {*self.stored, *self.unknown}


@pytest.fixture
async def store(postgres_schema: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore(postgres_schema) as store:
        yield store


@pytest.fixture
def administrator(store: PostgresStore) -> Iterator[psycopg.Connection]:
    with psycopg.connect(store.address.url, autocommit=True) as connection:
        yield connection


# Connections that are killed


async def test_writers_whose_connections_are_killed_again_and_again(
    store: PostgresStore, administrator: psycopg.Connection
) -> None:
    ledger, kills = Ledger(), 0

    def enough() -> bool:
        return kills >= 25

    writing = asyncio.gather(
        *[ledger.write(store, f"s{number}", enough) for number in range(WRITERS)]
    )
    while not enough():
        await asyncio.sleep(random.random() * 0.05)
        kills += len(administrator.execute(ENDED, ("whence writer",)).fetchall())
    await writing
    assert ledger.stored
    await ledger.compare(store)


async def test_readers_whose_connections_are_killed_read_on(
    store: PostgresStore, administrator: psycopg.Connection
) -> None:
    await append(store, event("a"), event("b"))
    for _ in range(5):
        await asyncio.gather(*[collect(store.read(ALL)) for _ in range(6)])
        administrator.execute(ENDED, ("whence reader",))
        assert [e.type for e in await collect(store.read(ALL))] == ["a", "b"]


async def test_a_cancelled_statement_stores_nothing_and_says_so(
    store: PostgresStore, administrator: psycopg.Connection, postgres_schema: str
) -> None:
    with Session(postgres_schema) as slow:
        slow.happens("slow", "s")
        mine = happened("s")
        sending = asyncio.create_task(outcome(store, mine))
        await waits(administrator)
        administrator.execute(
            "select pg_cancel_backend(pid) from pg_stat_activity"
            " where application_name = 'whence writer' and wait_event = 'advisory'"
        )
        with pytest.raises(StoreBusy, match="whence doctor"):
            await sending
    assert await collect(store.read(of_commit(mine.id))) == []


async def waits(administrator: psycopg.Connection) -> None:
    """Until a writer waits for a lock."""
    waiting = (
        "select count(*) from pg_stat_activity where application_name = 'whence writer'"
        " and wait_event = 'advisory' and datname = current_database()"
    )
    while True:
        ((number,),) = administrator.execute(waiting).fetchall()
        if number:
            return
        await asyncio.sleep(0.005)


# Connections that are cut on the way


@pytest.fixture
async def proxy(postgres_schema: str) -> AsyncIterator[Proxy]:
    async with Proxy(postgres_schema) as proxy:
        yield proxy


def marked(stream: str = "", expected: int | None = None) -> Commit:
    at = {} if expected is None else {stream: expected}
    return commit(NewEvent("marked", MARK, stream), expected=at)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "judged"])
async def test_a_connection_that_is_cut_leaves_each_commit_stored_once(
    proxy: Proxy, moment: Moment, plain: bool
) -> None:
    async with PostgresStore(proxy.url) as store:
        for version in range(4):
            proxy.moment = moment
            mine = marked("s", version) if plain else marked("s")
            neighbours = [happened(f"t{version}", expected=0), happened("u")]
            found = await asyncio.gather(*[outcome(store, c) for c in (mine, *neighbours)])
            assert stored(found[0]).versions == {"s": version + 1}
            for each, told in zip((mine, *neighbours), found, strict=True):
                (event,) = await collect(store.read(of_commit(each.id)))
                assert event.position == stored(told).position
        assert proxy.cuts == 4


async def test_a_commit_that_the_server_still_works_on_is_not_taken_for_lost(
    proxy: Proxy, postgres_schema: str
) -> None:
    async with PostgresStore(proxy.url) as store:
        with Session(postgres_schema) as slow:
            slow.happens("slow", "s")
            proxy.moment = "during"
            sending = asyncio.create_task(outcome(store, marked("s")))
            with psycopg.connect(address(postgres_schema).url, autocommit=True) as administrator:
                await waits(administrator)  # the one that was cut off, or its successor
            slow.connection.commit()
        assert stored(await sending).versions == {"s": 2}
        found = await collect(store.read(in_stream("s")))
        assert [(e.type, e.version) for e in found] == [("slow", 1), ("marked", 2)]


async def test_what_was_refused_before_the_connection_was_cut_stays_refused(
    proxy: Proxy,
) -> None:
    async with PostgresStore(proxy.url) as store:
        await append(store, event("a", "s"))
        for moment in ("before", "during", "after"):
            proxy.moment = moment
            assert isinstance(await outcome(store, marked("s", 0)), Conflict)
        assert proxy.cuts == 3
        assert len(await collect(store.read(ALL))) == 1


async def test_who_is_cut_off_whenever_he_sends_hears_that_nothing_was_stored(
    proxy: Proxy,
) -> None:
    async with PostgresStore(proxy.url) as store:
        proxy.always = True
        proxy.moment = "before"
        with pytest.raises(StoreError):
            await outcome(store, marked("s", 0))
        proxy.moment, proxy.always = None, False
        assert await collect(store.read(ALL)) == []
        assert stored(await outcome(store, marked("s", 0))).versions == {"s": 1}


# Servers that stop


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    """One that a test may stop."""
    with PrivatePostgres() as started:
        yield started


async def test_writers_go_on_when_the_server_is_back(server: PrivatePostgres) -> None:
    url = server.create_database()
    async with PostgresStore(url) as store:
        ledger, done = Ledger(), asyncio.Event()
        streams = [f"s{number}" for number in range(WRITERS)]
        writing = asyncio.gather(*[ledger.write(store, s, done.is_set) for s in streams])
        modes: tuple[Stopping | None, ...] = ("fast", "immediate", None)
        for mode in modes:
            await some_more(ledger)
            if mode is None:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            else:
                await asyncio.to_thread(server.restart, mode)
        await some_more(ledger)
        head = await store.head()
        await store.wait(head - 1, 10)
        done.set()
        await writing
        await ledger.compare(store)


async def some_more(ledger: Ledger) -> None:
    """Until twenty more commits are acknowledged."""
    before = len(ledger.stored)
    while True:
        if len(ledger.stored) >= before + 20:
            return
        await asyncio.sleep(0.01)


async def test_a_server_that_stays_away_leaves_the_outcome_unknown(
    server: PrivatePostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "_RESOLVING", 0.5)
    url = server.create_database()
    async with PostgresStore(url) as store, Proxy(url) as proxy:
        await append(store, event("before"))
        async with PostgresStore(proxy.url) as cut:
            proxy.moment = "after"
            proxy.on_cut = lambda: server.stop("immediate")
            mine = marked("s", 0)
            told = await outcome(cut, mine)
            assert isinstance(told, Unknown)
            assert "the same id again" in str(told)
            with pytest.raises(StoreError):
                await outcome(cut, happened("s", expected=0))
            server.start()
            assert stored(await outcome(cut, mine)).duplicate
        assert [e.type for e in await collect(store.read(ALL))] == ["before", "marked"]
