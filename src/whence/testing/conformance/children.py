"""What the suite runs in processes of its own. Started afresh, never forked."""

import asyncio
import multiprocessing
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier

from whence.store import Commit, EventStore, matching
from whence.testing.conformance.words import OpenStore, commit, event, happened, outcome, stored

_afresh = multiprocessing.get_context("spawn")


@contextmanager
def child(
    work: Callable[..., None], *arguments: object
) -> Generator[tuple[SpawnProcess, Connection]]:
    """A process that does ``work(connection, *arguments)``; it is killed if it has not ended."""
    ours, theirs = _afresh.Pipe()
    process = _afresh.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


def barrier(parties: int) -> Barrier:
    """For processes that must start together."""
    return _afresh.Barrier(parties, timeout=60)


def racing(pipe: Connection, open_store: OpenStore, gate: Barrier, rounds: int) -> None:
    """Race for a version and for a claim, many times, and tell how each ended."""

    async def run() -> None:
        async with open_store() as store:
            for number in range(rounds):
                for contested in (_version(number), _claim(number)):
                    await asyncio.to_thread(gate.wait)
                    if number % 2:  # half start together, half one after another
                        await asyncio.sleep(random.random() * 0.002)
                    pipe.send(type(await outcome(store, contested)).__name__)

    asyncio.run(run())


def _version(number: int) -> Commit:
    return happened(f"contested-{number}", expected=0)


def _claim(number: int) -> Commit:
    claim = matching(["claimed"], [f"name:{number}"])
    return commit(event("claimed", "", f"name:{number}"), unless=claim)


def writing(pipe: Connection, open_store: OpenStore, tasks: int, each: int) -> None:
    """Several tasks append, each with a handle of its own, to streams that all share."""

    async def run() -> None:
        pipe.send("running")
        await asyncio.gather(*[append_some(open_store, seed, each) for seed in range(tasks)])

    asyncio.run(run())


async def append_some(open_store: OpenStore, seed: int, commits: int) -> None:
    """One to three events at a time."""
    chance = random.Random(seed)
    async with open_store() as store:
        for _ in range(commits):
            streams = [f"s{chance.randint(0, 9)}" for _ in range(chance.randint(1, 3))]
            events = [event(f"type-{chance.randint(0, 3)}", stream) for stream in streams]
            stored(await outcome(store, commit(*events)))


def loading(pipe: Connection, open_store: OpenStore, generation: int) -> None:
    """Append for ever on one handle, and name each commit as soon as it is acknowledged."""

    async def task(store: EventStore, number: int) -> None:
        mine, version = f"own-{generation}-{number}", 0
        while True:
            events = event("a", mine), event("b", "shared"), event("c", mine)
            three = commit(*events, expected={mine: version})
            version = stored(await outcome(store, three)).versions[mine]
            pipe.send(three.id)

    async def run() -> None:
        async with open_store() as store:
            await asyncio.gather(*[task(store, number) for number in range(8)])

    asyncio.run(run())
