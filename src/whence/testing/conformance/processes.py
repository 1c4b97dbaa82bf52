"""Promises that need other processes: races, nothing missed, nothing lost by a kill."""

import asyncio
from contextlib import ExitStack
from multiprocessing.connection import Connection

from whence.envelope import Recorded
from whence.store import ALL, EventQuery, EventStore, in_stream, matching, of_commit
from whence.testing.conformance.children import (
    append_some,
    barrier,
    child,
    loading,
    racing,
    writing,
)
from whence.testing.conformance.words import (
    OpenStore,
    Suite,
    append,
    collect,
    event,
    happened,
    outcome,
    stored,
)


class Processes(Suite):
    """Several processes on the same data behave as one."""

    async def test_of_racing_processes_exactly_one_wins(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        rounds, racers = 15, 3
        with ExitStack() as running:
            gate = barrier(racers)
            pipes = [
                running.enter_context(child(racing, open_store, gate, rounds))[1]
                for _ in range(racers)
            ]
            for _ in range(2 * rounds):
                ends = [await asyncio.to_thread(pipe.recv) for pipe in pipes]
                assert sorted(ends) == ["Appended"] + ["Conflict"] * (racers - 1)
        assert len(await collect(store.read(ALL))) == 2 * rounds

    async def test_a_wait_ends_when_another_process_writes(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        with child(writing, open_store, 1, 1):
            await asyncio.wait_for(store.wait(0, 60), 30)
        assert len(await collect(store.read(ALL))) >= 1


class NothingMissed(Suite):
    """Whoever follows the log sees every event once, in the order that it keeps for ever."""

    async def test_a_follower_of_many_writers_misses_nothing(
        self, store: EventStore, open_store: OpenStore
    ) -> None:
        done = asyncio.Event()
        some = matching(["type-0", "type-2"])
        with (
            child(writing, open_store, 4, 40) as (one, first),
            child(writing, open_store, 4, 40) as (two, second),
        ):
            followers = [asyncio.create_task(follow(store, query, done)) for query in (ALL, some)]
            for pipe in (first, second):
                await asyncio.to_thread(pipe.recv)
            await asyncio.gather(*[append_some(open_store, seed, 40) for seed in range(4)])
            for process in (one, two):
                await asyncio.to_thread(process.join, 60)
                assert process.exitcode == 0
            done.set()
            everything, part = await asyncio.gather(*followers)
        log = await collect(store.read(ALL))
        assert len({e.commit_id for e in log}) == 12 * 40
        assert everything == log
        assert part == [e for e in log if some.matches(e)]


async def follow(store: EventStore, query: EventQuery, done: asyncio.Event) -> list[Recorded]:
    """All that matches, as it comes, until it is ``done`` and nothing is left."""
    found: list[Recorded] = []
    after = 0
    while True:
        last_round = done.is_set()
        async for page in store.read(query, after=after):
            found += page.events
            after = page.scanned
        if last_round:
            return found
        await store.wait(after, 0.1)


class NothingLost(Suite):
    """What was acknowledged is there for ever, even if the process is killed at once."""

    async def test_a_kill_loses_nothing_that_was_acknowledged(self, open_store: OpenStore) -> None:
        acknowledged: list[str] = []
        for generation, enough in enumerate((1, 40, 150)):
            with child(loading, open_store, generation) as (process, pipe):
                acknowledged += [await asyncio.to_thread(pipe.recv) for _ in range(enough)]
                process.kill()
                while rest := await asyncio.to_thread(last_words, pipe):
                    acknowledged.append(rest)
            async with open_store() as store:
                log = await collect(store.read(ALL))
                check_whole(log, acknowledged)
                await check_goes_on(store, log)

    async def test_a_kill_leaves_each_commit_to_be_found(self, open_store: OpenStore) -> None:
        with child(loading, open_store, 0) as (process, pipe):
            last = await asyncio.to_thread(pipe.recv)
            process.kill()
        async with open_store() as store:
            assert [e.type for e in await collect(store.read(of_commit(last)))] == ["a", "b", "c"]


def last_words(pipe: Connection) -> str | None:
    """What a killed process had still said."""
    try:
        return str(pipe.recv())
    except (EOFError, OSError):
        return None


def check_whole(log: list[Recorded], acknowledged: list[str]) -> None:
    """Each acknowledged commit is there once; each commit is there as a whole, in order."""
    commits: dict[str, list[int]] = {}
    versions: dict[str, int] = {}
    for e in log:
        commits.setdefault(e.commit_id, []).append(e.ordinal)
        if e.stream:
            assert e.version == versions.get(e.stream, 0) + 1
            versions[e.stream] = e.version
    assert not [id for id in acknowledged if id not in commits]
    assert not [id for id, ordinals in commits.items() if ordinals not in ([0, 1, 2], [0])]
    positions = [e.position for e in log]
    assert positions == sorted(set(positions))


async def check_goes_on(store: EventStore, log: list[Recorded]) -> None:
    """The store takes new events, after the old ones."""
    mine = len([e for e in log if e.stream == "after"])
    appended = stored(await outcome(store, happened("after", expected=mine)))
    assert appended.position > log[-1].position
    assert (await append(store, event())).position == await store.head()
    assert (await collect(store.read(in_stream("shared"))))[-1].position <= log[-1].position
