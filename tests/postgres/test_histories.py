"""What lost or doubled events, or stopped delivery, in other systems. Each happened there."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

import psycopg
import pytest

from whence.backends.postgres import PostgresStore, schema
from whence.errors import Conflict
from whence.store import ALL, Appended, Commit, EventStore, in_stream, matching
from whence.testing.conformance.words import (
    append,
    collect,
    commit,
    event,
    happened,
    outcome,
    refused,
    stored,
)

from .slow import Follower, Session, claim, log


@pytest.fixture
async def store(postgres_schema: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore(postgres_schema) as store:
        yield store


@pytest.fixture
async def others(postgres_schema: str) -> AsyncIterator[list[PostgresStore]]:
    """Four handles, each with connections of its own."""
    async with AsyncExitStack() as open:
        yield [await open.enter_async_context(PostgresStore(postgres_schema)) for _ in range(4)]


# A version drawn before it was checked left a gap for each loser, until delivery stood still.


async def test_a_refused_commit_draws_no_position(store: PostgresStore) -> None:
    first = stored(await outcome(store, happened("s", expected=0)))
    for _ in range(40):
        refused(await outcome(store, happened("s", expected=0)))
        refused(await outcome(store, commit(event(), unless=in_stream("s"))))
    last = await append(store, event())
    assert last.position == first.position + 1


async def test_losers_do_not_hold_up_delivery(others: list[PostgresStore]) -> None:
    follower = Follower(others[0])
    for version in range(25):
        racing = [outcome(store, happened("s", expected=version)) for store in others]
        await asyncio.gather(*racing)
        assert await follower.look() == ["happened"]


# `insert ... on conflict do nothing` acknowledged events that it had not stored.


async def test_a_commit_that_is_acknowledged_is_stored(others: list[PostgresStore]) -> None:
    acknowledged: list[str] = []

    async def write(store: EventStore, writer: int) -> None:
        for version in range(30):
            mine = happened("s", expected=version)
            if isinstance(await outcome(store, mine), Appended):
                acknowledged.append(mine.id)

    await asyncio.gather(*[write(store, number) for number, store in enumerate(others)])
    found = await collect(others[0].read(in_stream("s")))
    assert [e.version for e in found] == list(range(1, len(found) + 1))
    assert sorted(e.commit_id for e in found) == sorted(acknowledged)


async def test_a_commit_sent_by_several_at_once_is_stored_once(
    others: list[PostgresStore],
) -> None:
    for number in range(25):
        once = commit(event("a"), event("b", f"s{number}"))
        found = await asyncio.gather(*[outcome(store, once) for store in others])
        assert Counter(stored(each).duplicate for each in found) == {False: 1, True: 3}
    assert len(await collect(others[0].read(ALL))) == 50


# A probe of several statements saw several states, and skipped what came in between.

WATERMARK = re.compile(r"create function whence.watermark.*?\n\$\$;", re.DOTALL)
STATEMENT = re.compile(r"^    (?=select |return )", re.MULTILINE)
HALT = "    perform pg_advisory_lock_shared(42), pg_advisory_unlock_shared(42);\n"


@pytest.fixture
def halting(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes each look at the mark halt before a statement, while somebody holds the lock 42."""

    def halt(number: int) -> None:
        def changed(text: str) -> str:
            return WATERMARK.sub(lambda found: before(found[0]), text)

        def before(function: str) -> str:
            places = [found.start() for found in STATEMENT.finditer(function)]
            assert len(places) == 3, "as many as the test asks for"
            place = places[number]
            return function[:place] + HALT + function[place:]

        scripts = [replace(script, text=changed(script.text)) for script in schema.scripts()]
        monkeypatch.setattr(schema, "scripts", lambda: scripts)

    return halt


@pytest.mark.parametrize("statement", range(3))
@pytest.mark.parametrize("early", [False, True], ids=["", "somebody is early"])
@pytest.mark.parametrize("late", [False, True], ids=["", "somebody is late"])
async def test_what_comes_between_two_statements_of_a_probe_is_not_skipped(
    statement: int, early: bool, late: bool, halting: Callable[[int], None], postgres_schema: str
) -> None:
    halting(statement)
    async with PostgresStore(postgres_schema) as store:
        follower = Follower(store)
        with Session(postgres_schema) as gate, Session(postgres_schema) as other:
            if early:
                other.happens("early")
            await append(store, event("first"))
            gate.run("select pg_advisory_lock(42)")
            looking = asyncio.create_task(follower.look())
            await halted(gate)
            other.connection.commit()
            other.happens("between")
            await append(store, event("last"))
            if not late:
                other.connection.commit()
            gate.run("select pg_advisory_unlock(42)")
            await looking
            other.connection.commit()
        await follower.look()
        expected = ["early"] * early + ["first", "between", "last"]
        assert follower.seen == await log(store) == expected


async def halted(gate: Session) -> None:
    """Until somebody waits for the lock 42."""
    waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    while True:
        if gate.run(waiting)[0][0]:
            return
        await asyncio.sleep(0.005)


# Two appends on one boundary were both stored, if they were truly at the same time.


@pytest.mark.parametrize("staggered", [False, True], ids=["at once", "staggered"])
async def test_of_racers_on_one_tag_one_wins_in_each_of_many_rounds(
    others: list[PostgresStore], staggered: bool
) -> None:
    rounds = 150
    gates = [asyncio.Barrier(len(others)) for _ in range(rounds)]

    async def race(store: EventStore) -> list[str]:
        ends: list[str] = []
        for number, gate in enumerate(gates):
            await gate.wait()
            if staggered:
                await asyncio.sleep(random.random() * 0.003)
            mine = commit(claim(f"name:{number}"), unless=matching(tags=[f"name:{number}"]))
            ends.append(type(await outcome(store, mine)).__name__)
        return ends

    for ends in zip(*await asyncio.gather(*map(race, others)), strict=True):
        assert sorted(ends) == ["Appended"] + ["Conflict"] * (len(others) - 1)
    assert len(await collect(others[0].read(ALL))) == rounds


async def test_writers_without_a_condition_are_seen_by_one_with_it(
    others: list[PostgresStore],
) -> None:
    """An append of matching events that carried no criteria took no lock."""
    for number in range(60):
        tag = f"name:{number}"
        bare, judged = commit(claim(tag)), commit(claim(tag), unless=matching(tags=[tag]))
        first, second = await asyncio.gather(outcome(others[0], bare), outcome(others[1], judged))
        before = stored(first).position
        if isinstance(second, Appended):
            assert second.position < before
        else:
            assert [e.position for e in refused(second).events] == [before]


async def test_racers_for_versions_in_opposite_order_do_not_get_stuck(
    others: list[PostgresStore],
) -> None:
    async def write(store: EventStore, streams: list[str]) -> None:
        for _ in range(30):
            stored(await outcome(store, commit(*[event(stream=name) for name in streams])))

    names = ["a", "b", "c"]
    await asyncio.gather(*[write(s, names[:: 1 - 2 * (n % 2)]) for n, s in enumerate(others)])
    for name in names:
        found = await collect(others[0].read(in_stream(name)))
        assert [e.version for e in found] == list(range(1, 121))
        assert [e.position for e in found] == sorted(e.position for e in found)


# A commit of unknown outcome was sent again with another identity.


async def test_a_commit_sent_again_after_a_conflict_of_its_own_making_is_known(
    store: PostgresStore,
) -> None:
    once = happened("s", expected=0)
    first = stored(await outcome(store, once))
    assert await outcome(store, once) == Appended(first.position, {"s": 1}, duplicate=True)


# Listeners died with a restart, or missed notifications, and never noticed.


async def test_losing_the_connection_that_listens_only_costs_time(
    store: PostgresStore, others: list[PostgresStore]
) -> None:
    await append(store, event())
    with psycopg.connect(store.address.url, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where application_name = 'whence listening' and datname = current_database()"
            )
            head = await store.head()
            waiting = asyncio.create_task(store.wait(head, 60))
            await append(others[0], event())
            await asyncio.wait_for(waiting, 30)


# Bookkeeping of one transaction claimed a range that nobody had read.


async def test_a_follower_that_gives_up_halfway_misses_nothing(
    others: list[PostgresStore],
) -> None:
    done = asyncio.Event()
    seen: list[str] = []

    async def follow() -> None:
        after = 0
        while True:
            last = done.is_set()
            with suppress(TimeoutError):
                async with asyncio.timeout(random.random() * 0.01):
                    async for page in others[0].read(ALL, after=after):
                        seen.extend(e.id for e in page.events)
                        after = page.scanned
                    if last and after == await others[0].head():
                        return

    following = asyncio.create_task(follow())
    for _ in range(40):
        await asyncio.gather(*[append(store, event(), event()) for store in others])
    done.set()
    await asyncio.wait_for(following, 60)
    assert seen == [e.id for e in await collect(others[0].read(ALL))]
    assert len(seen) == 320


# Position order and order in a stream disagreed.


async def test_streams_are_in_order_under_many_writers(others: list[PostgresStore]) -> None:
    async def write(store: EventStore, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            name = f"s{chance.randint(0, 2)}"
            some: Commit = commit(*[event(stream=name)] * chance.randint(1, 3))
            assert not isinstance(await outcome(store, some), Conflict)

    await asyncio.gather(*[write(store, seed) for seed, store in enumerate(others)])
    versions: dict[str, int] = {}
    for found in await collect(others[0].read(ALL)):
        assert found.version == versions.get(found.stream, 0) + 1
        versions[found.stream] = found.version
