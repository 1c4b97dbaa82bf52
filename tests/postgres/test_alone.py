"""An event that comes alone is sent at once; whatever happens then, its outcome is the same."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from whence.backends.postgres import PostgresStore, binary
from whence.backends.postgres.appending import Manner
from whence.backends.postgres.wire import Answer, Wire
from whence.envelope import NewEvent
from whence.store import ALL, Commit
from whence.testing.conformance.words import (
    collect,
    commit,
    event,
    happened,
    outcome,
    refused,
    stored,
    types,
)

from .slow import Session

REFUSING = (
    """
    create function whence.refuse() returns trigger language plpgsql as $$
    begin raise exception 'no'; end $$
    """,
    """
    create trigger refuse before insert on whence.events
    for each row when (new.type = 'bad') execute function whence.refuse()
    """,
)


@pytest.fixture
async def store(postgres_schema: str) -> AsyncIterator[PostgresStore]:
    """A store that has appended, so that everything is prepared."""
    async with PostgresStore(postgres_schema) as store:
        stored(await outcome(store, happened("first", expected=0)))
        yield store


async def test_it_is_on_its_way_before_anybody_else_has_a_turn(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    begin = Wire.begin

    def noted(
        wire: Wire,
        statement: bytes,
        values: Sequence[binary.Value],
        answered: Callable[[Answer], None],
    ) -> None:
        order.append("sent")
        begin(wire, statement, values, answered)

    monkeypatch.setattr(Wire, "begin", noted)
    asyncio.get_running_loop().call_soon(order.append, "somebody else")
    stored(await outcome(store, happened("s", expected=0)))
    assert order[:2] == ["sent", "somebody else"]


async def test_a_conflict_is_told_with_what_came_in_between(store: PostgresStore) -> None:
    conflict = refused(await outcome(store, happened("first", expected=0)))
    assert conflict.actual == {"first": 1}
    assert [event.stream for event in conflict.events] == ["first"]


async def test_a_commit_that_was_there_before_keeps_its_outcome(store: PostgresStore) -> None:
    once = happened("s", expected=0)
    first = stored(await outcome(store, once))
    again = stored(await outcome(store, once))
    assert (again.position, again.duplicate) == (first.position, True)


async def test_what_nobody_waits_for_any_more_is_stored_all_the_same(
    store: PostgresStore,
) -> None:
    left = asyncio.create_task(outcome(store, happened("s", expected=0)))
    await asyncio.sleep(0)  # it is sent
    left.cancel()
    stored(await outcome(store, happened("t", expected=0)))
    found = await collect(store.read(ALL))
    assert [event.stream for event in found] == ["first", "s", "t"]


async def test_what_goes_wrong_when_nobody_waits_any_more_is_not_told_to_others(
    store: PostgresStore,
) -> None:
    for statement in REFUSING:
        await store.query(statement)
    bad = asyncio.create_task(outcome(store, commit(event("bad", "s"), expected={"s": 0})))
    await asyncio.sleep(0)  # it is sent
    bad.cancel()
    stored(await outcome(store, happened("t", 2, expected=0)))


async def test_what_comes_meanwhile_follows(store: PostgresStore) -> None:
    both = (outcome(store, happened(stream, expected=0)) for stream in ("s", "t"))
    positions = [stored(one).position for one in await asyncio.gather(*both)]
    assert positions == sorted(positions)


async def test_an_event_with_tags_finds_its_way(store: PostgresStore) -> None:
    tagged = commit(event("tagged", "s", "red", 'a "b" {c}'), expected={"s": 0})
    stored(await outcome(store, tagged))
    (found,) = (await collect(store.read(ALL)))[1:]
    assert set(found.tags) == {"red", 'a "b" {c}'}


async def test_others_go_on_while_it_waits_for_a_lock(
    store: PostgresStore, postgres_schema: str
) -> None:
    with Session(postgres_schema) as slow:
        slow.happens("slow", "s")
        waiting = asyncio.create_task(outcome(store, happened("s", expected=1)))
        await asyncio.sleep(0)
        stored(await outcome(store, happened("t", expected=0)))
        assert not waiting.done()
        slow.connection.commit()
        stored(await waiting)
    assert sorted(await types(store.read(ALL))) == ["happened"] * 3 + ["slow"]


@pytest.mark.parametrize("few", [False, True])
def test_its_locks_are_those_of_a_group_in_the_same_order(few: bool) -> None:
    """So that nobody waits in a ring."""
    new = NewEvent("kind", b"{}", "name", tuple(f"tag {number}" for number in range(20)))
    manner = Manner("whence", "1s", few)
    everyone, kind, words, name = manner.locks_of_one(new)
    _, keys, _ = manner.locks([Commit("id", [new], {"name": 0})])
    mine = [key for key in (everyone, kind) if key is not None]
    mine += [] if words is None else _numbers(words)
    assert keys == binary.bigints(
        [int.from_bytes(key, signed=True) for key in [*mine, name or b""]]
    )


def _numbers(array: bytes) -> list[bytes]:
    """The numbers in a ``bigint[]``, each behind its length."""
    return [array[start + 4 : start + 12] for start in range(20, len(array), 12)]
