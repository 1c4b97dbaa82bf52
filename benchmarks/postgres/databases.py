"""Databases on the server that the benchmarks start, and the logs in them."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

from benchmarks import bank
from benchmarks.harness import Work
from whence.backends.postgres import PostgresStore
from whence.testing.postgres import PostgresServer


def server(work: Work) -> PostgresServer:
    """Where all sides work."""
    if work.server is None:
        raise RuntimeError("this figure needs a server: `python -m benchmarks` starts one")
    return work.server


@contextmanager
def database(work: Work, template: str | None = None) -> Generator[str]:
    """The URL of a database: an empty one, or a copy of the one at ``template``."""
    made = server(work).create_database(urlsplit(template).path[1:] if template else "template1")
    try:
        yield made
    finally:
        server(work).drop_database(made)


def shared(work: Work, name: str, fill: Callable[[str], None]) -> str:
    """The URL of a database that all figures of a run share, to be copied or only read."""
    known = work.shared / name
    if not known.exists():
        url = server(work).create_database()
        fill(url)
        settle(url)
        known.write_text(url)
    return known.read_text()


def settle(url: str) -> None:
    """So that what was filled is not tidied up while somebody measures."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


def log(work: Work, events: int, accounts: int) -> str:
    """The URL of whence's store with such a log."""

    async def fill(url: str) -> None:
        async with PostgresStore(url) as store:
            await bank.fill_store(store, events, accounts)

    return shared(work, f"whence-{events}-{accounts}", lambda url: asyncio.run(fill(url)))
