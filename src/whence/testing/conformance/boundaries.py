"""Promises about dynamic consistency boundaries: decisions on what a query finds.

After the suite of dcb.events: consistency, monotony, and no conflict without a reason.
"""

import asyncio
import random
import time
from dataclasses import dataclass

from whence.envelope import Recorded
from whence.errors import Conflict
from whence.store import ALL, Appended, EventQuery, EventStore, Item, any_of, matching
from whence.testing.conformance.words import (
    Suite,
    append,
    collect,
    commit,
    event,
    outcome,
    stored,
)

TYPES = [f"type-{n}" for n in range(10)]
TAGS = [f"tag:{n}" for n in range(10)]


def some_query(chance: random.Random) -> EventQuery:
    """None to three items of none to four types and none to three tags."""
    items: list[Item] = []
    for _ in range(chance.randint(0, 3)):
        kinds = frozenset(chance.sample(TYPES, chance.randint(0, 4)))
        tags = frozenset(chance.sample(TAGS, chance.randint(0 if kinds else 1, 3)))
        items.append(Item(kinds, tags))
    return EventQuery(tuple(items)) if items else ALL


@dataclass(frozen=True, slots=True)
class Decision:
    """What a writer asked, and the position of the last event that it found."""

    query: EventQuery
    last: int


async def decide(store: EventStore, chance: random.Random, made: dict[str, Decision]) -> None:
    """Read, then write on what was read, unless somebody was faster."""
    query = some_query(chance)
    found: list[Recorded] = []
    seen = 0
    async for page in store.read(query):
        found += page.events
        seen = page.scanned
    await asyncio.sleep(0)
    events = [
        event(chance.choice(TYPES), "", *chance.sample(TAGS, chance.randint(0, 3)))
        for _ in range(chance.randint(1, 2))
    ]
    conditional = commit(*events, unless=query, after=seen)
    if isinstance(await outcome(store, conditional), Appended):
        made[conditional.id] = Decision(query, found[-1].position if found else 0)


def check_decisions(log: list[Recorded], made: dict[str, Decision]) -> None:
    """Before each commit, the last match must be the one that its writer saw."""
    firsts = {e.commit_id: e.position for e in log if e.ordinal == 0}
    for id, decision in made.items():
        before = [e.position for e in log if e.position < firsts[id] and decision.query.matches(e)]
        assert (before[-1] if before else 0) == decision.last, decision


class Boundaries(Suite):
    """A decision is stored only if what it was made on has not changed."""

    async def test_every_stored_decision_saw_the_last_match(self, store: EventStore) -> None:
        made: dict[str, Decision] = {}
        until = time.monotonic() + 2

        async def writer(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(20):
                if time.monotonic() < until:
                    await decide(store, chance, made)

        await asyncio.gather(*[writer(seed) for seed in range(20)])
        log = await collect(store.read(ALL))
        assert len({e.commit_id for e in log}) == len(made) >= 20
        check_decisions(log, made)

    async def test_the_end_of_the_log_never_changes_its_past(self, store: EventStore) -> None:
        seen: list[int] = []

        async def look() -> None:
            nonlocal seen
            found = await collect(store.read(ALL, backwards=True, limit=6))
            now = [e.position for e in found]
            newest = seen[0] if seen else 0
            overlap = [position for position in now if position <= newest]
            assert overlap == seen[: len(overlap)]
            seen = now
            await asyncio.sleep(0)

        for _ in range(50):
            # Few at a time, and a look after each time: what is seen overlaps whatever comes when.
            writing = asyncio.gather(*[append(store, *[event()] * (1 + n % 2)) for n in range(3)])
            while not writing.done():
                await look()
            await writing
            await look()

    async def test_unrelated_writers_never_conflict(self, store: EventStore) -> None:
        async def writer(number: int) -> None:
            mine = matching(["used"], [f"writer:{number}"])
            after = 0
            for _ in range(8):
                mark = commit(event("used", "", f"writer:{number}"), unless=mine, after=after)
                after = stored(await outcome(store, mark)).position

        await asyncio.gather(*[writer(number) for number in range(20)])

    async def test_numbers_without_gaps_can_be_given(self, store: EventStore) -> None:
        invoices = matching(["invoice"])

        async def create() -> None:
            while True:
                last = await collect(store.read(invoices, backwards=True, limit=1))
                number, seen = (int(last[0].data), last[0].position) if last else (0, 0)
                new = event("invoice", data=str(number + 1).encode())
                made = await outcome(store, commit(new, unless=invoices, after=seen))
                if isinstance(made, Appended):
                    return

        await asyncio.gather(*[create() for _ in range(30)])
        numbers = [int(e.data) for e in await collect(store.read(invoices))]
        assert numbers == list(range(1, 31))

    async def test_two_cannot_take_the_last_seat(self, store: EventStore) -> None:
        await append(store, event("defined", "", "course:c"))
        seen = await store.head()
        seats = matching(["defined", "subscribed"], ["course:c"])
        subscriptions = [
            commit(
                event("subscribed", "", "course:c", f"student:{n}"),
                unless=any_of(seats, matching(["subscribed"], [f"student:{n}"])),
                after=seen,
            )
            for n in range(2)
        ]
        outcomes = await asyncio.gather(*[outcome(store, s) for s in subscriptions])
        assert sorted(type(o).__name__ for o in outcomes) == ["Appended", "Conflict"]
        (lost,) = [o for o in outcomes if isinstance(o, Conflict)]
        assert [e.type for e in lost.events] == ["subscribed"]

    async def test_one_decision_on_two_boundaries_needs_both(self, store: EventStore) -> None:
        one, two = matching(tags=["course:c"]), matching(tags=["student:s"])
        await append(store, event("defined", "", "course:c"), event("joined", "", "student:s"))
        seen = await store.head()
        await append(store, event("subscribed", "", "course:other", "student:s"))
        both = commit(
            event("subscribed", "", "course:c", "student:s"), unless=any_of(one, two), after=seen
        )
        assert isinstance(await outcome(store, both), Conflict)
        alone = commit(event("capacity", "", "course:c"), unless=one, after=seen)
        stored(await outcome(store, alone))
