"""Promises that need the same data opened more than once, each handle in its own thread."""

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from whence.errors import Conflict
from whence.store import ALL, Appended, Commit, EventStore, Outcome, in_stream, matching
from whence.testing.conformance.words import (
    OpenStore,
    Suite,
    append,
    collect,
    commit,
    event,
    happened,
    outcome,
    refused,
    stored,
    types,
)

RACERS = 4


async def race(open_store: OpenStore, rounds: list[list[Commit]]) -> list[list[Outcome]]:
    """Each round's commits at the same moment, each from a thread and handle of its own."""
    gate = threading.Barrier(RACERS)

    async def run(racer: int) -> list[Outcome]:
        outcomes: list[Outcome] = []
        async with open_store() as store:
            for number, commits in enumerate(rounds):
                await asyncio.to_thread(gate.wait, 60)
                if number % 2:  # half of the rounds start together, half one after another
                    await asyncio.sleep(random.random() * 0.002)
                outcomes.append(await outcome(store, commits[racer]))
        return outcomes

    def start(racer: int) -> list[Outcome]:
        try:
            return asyncio.run(run(racer))
        except BaseException:
            gate.abort()  # so that the others do not wait
            raise

    with ThreadPoolExecutor(RACERS) as threads:
        loop = asyncio.get_running_loop()
        running = [loop.run_in_executor(threads, start, racer) for racer in range(RACERS)]
        return [list(r) for r in zip(*await asyncio.gather(*running), strict=True)]


ONE_WINNER = sorted(["Appended"] + ["Conflict"] * (RACERS - 1))


def kinds(outcomes: list[Outcome]) -> list[str]:
    """How a race ended."""
    return sorted(type(outcome).__name__ for outcome in outcomes)


class Handles(Suite):
    """Several handles on the same data behave as one."""

    async def test_what_one_writes_the_other_reads(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        async with open_store() as other:
            await append(store, event("a", "s"))
            assert await types(other.read(ALL)) == ["a"]
            await append(other, event("b", "s"))
            assert await types(store.read(in_stream("s"))) == ["a", "b"]
            assert await store.head() == await other.head()

    async def test_what_one_knew_of_a_stream_is_not_believed_for_ever(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        async with open_store() as other:
            for version in range(0, 10, 2):
                stored(await outcome(store, happened("s", expected=version)))
                refused(await outcome(other, happened("s", expected=version)))
                assert stored(
                    await outcome(other, happened("s", expected=version + 1))
                ).versions == {"s": version + 2}

    async def test_a_commit_is_known_to_all(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        async with open_store() as other:
            once = happened("s", 2, expected=0)
            first = stored(await outcome(store, once))
            assert await outcome(other, once) == Appended(first.position, {"s": 2}, duplicate=True)

    async def test_a_query_sees_what_others_wrote(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        async with open_store() as other:
            await append(store, event("claimed", "", "name:u1"))
            claim = commit(event("claimed", "", "name:u1"), unless=matching(tags=["name:u1"]))
            refused(await outcome(other, claim))

    async def test_the_data_outlives_its_handles(self, open_store: OpenStore) -> None:
        for version in range(3):
            async with open_store() as store:
                appended = stored(await outcome(store, happened("s", expected=version)))
                assert await store.head() == appended.position
        async with open_store() as store:
            positions = [e.position for e in await collect(store.read(ALL))]
        assert positions == sorted(set(positions))
        assert len(positions) == 3

    async def test_a_wait_ends_when_another_writes(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        async with open_store() as other:
            head = (await append(store, event())).position
            begin = time.monotonic()
            waiting = asyncio.create_task(store.wait(head, 5))
            await asyncio.sleep(0.02)
            await append(other, event())
            await waiting
            assert time.monotonic() - begin < 4

    async def test_of_racing_versions_exactly_one_wins(self, open_store: OpenStore) -> None:
        rounds = [[happened(f"s{n}", expected=0) for _ in range(RACERS)] for n in range(20)]
        for outcomes in await race(open_store, rounds):
            assert kinds(outcomes) == ONE_WINNER
        async with open_store() as store:
            assert len(await collect(store.read(ALL))) == 20

    async def test_of_racing_claims_exactly_one_wins(self, open_store: OpenStore) -> None:
        rounds = [
            [
                commit(event("claimed", "", f"n:{n}"), unless=matching(tags=[f"n:{n}"]))
                for _ in range(RACERS)
            ]
            for n in range(20)
        ]
        for outcomes in await race(open_store, rounds):
            assert kinds(outcomes) == ONE_WINNER

    async def test_of_a_racing_commit_one_is_stored(self, open_store: OpenStore) -> None:
        rounds = [[happened(f"s{n}")] * RACERS for n in range(20)]
        for outcomes in await race(open_store, rounds):
            appended = [stored(each) for each in outcomes]
            assert sorted(o.duplicate for o in appended) == [False] + [True] * (RACERS - 1)
            assert len({o.position for o in appended}) == 1
        async with open_store() as store:
            assert len(await collect(store.read(ALL))) == 20

    async def test_racers_without_conditions_all_arrive(self, open_store: OpenStore) -> None:
        rounds = [[happened("s", 2) for _ in range(RACERS)] for _ in range(20)]
        for outcomes in await race(open_store, rounds):
            assert not any(isinstance(o, Conflict) for o in outcomes)
        async with open_store() as store:
            versions = [e.version for e in await collect(store.read(in_stream("s")))]
        assert versions == list(range(1, 20 * RACERS * 2 + 1))
