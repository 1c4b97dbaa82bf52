"""A database on a small disk that is filled: run as root of a mount namespace of its own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from whence.backends.postgres import PostgresStore
from whence.envelope import NewEvent
from whence.errors import StoreFull
from whence.store import ALL, EventStore
from whence.testing.conformance.words import collect, commit, outcome, stored
from whence.testing.postgres import PrivatePostgres


async def fill(store: EventStore, acknowledged: list[str], size: int) -> None:
    """Append, several at a time, until there is no more room."""
    while True:
        some = [commit(NewEvent("large", os.urandom(size), "s", ("x:1",))) for _ in range(3)]
        ends = await asyncio.gather(*[outcome(store, c) for c in some], return_exceptions=True)
        for each, end in zip(some, ends, strict=True):
            if isinstance(end, BaseException):
                assert type(end) is StoreFull, repr(end)
                assert "could not extend file" in str(end), str(end)
                assert "make room on the server's disk" in str(end)
            else:
                stored(end)
                acknowledged.append(each.id)
        if any(isinstance(end, StoreFull) for end in ends):
            return


async def check(store: EventStore, acknowledged: list[str]) -> None:
    """What was acknowledged is there once, and nothing else is."""
    log = await collect(store.read(ALL))
    assert sorted(e.commit_id for e in log) == sorted(acknowledged)
    assert [e.version for e in log] == list(range(1, len(log) + 1))


async def fill_and_go_on(disk: Path) -> None:
    ballast = [disk / f"ballast{number}" for number in range(2)]
    for file in ballast:
        file.write_bytes(os.urandom(2_000_000))
    with PrivatePostgres() as server:
        place = disk / "database"
        place.mkdir()
        owner = server.data.stat()
        if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(place, owner.st_uid, owner.st_gid)
        server.execute(f"create tablespace small location '{place}'")
        server.execute("create database bank tablespace small")
        async with PostgresStore(server.url("bank")) as store:
            acknowledged: list[str] = []
            for file, size in zip(ballast, (50_000, 7_001), strict=True):
                await fill(store, acknowledged, size)
                await check(store, acknowledged)
                file.unlink()
            before = len(acknowledged)
            await fill(store, acknowledged, 20_000)
            assert len(acknowledged) > before
            await check(store, acknowledged)
        async with PostgresStore(server.url("bank")) as store:
            await check(store, acknowledged)


def mounted(way: str) -> None:
    """On a disk of our own, with ``way`` in front of the program that uses it."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        disk = Path(folder) / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=0777", "none", str(disk)]
        subprocess.run(mount, check=True)
        try:
            words = [*way.split(), sys.executable, __file__, "fill", str(disk)]
            subprocess.run(words, check=True)
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


if __name__ == "__main__":
    work, word = sys.argv[1:]
    if work == "mount":
        mounted(word)
    else:
        asyncio.run(fill_and_go_on(Path(word)))
