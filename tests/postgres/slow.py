"""Writers that take their time: each holds a transaction open for as long as a test wants."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import psycopg
from psycopg.errors import error_from_result

from whence.backends.postgres import appending
from whence.backends.postgres.address import address
from whence.backends.postgres.appending import Manner
from whence.envelope import NewEvent
from whence.store import ALL, Commit, EventStore
from whence.testing.conformance.words import collect, commit, event

Row = tuple[Any, ...]


class Session:
    """A connection of somebody else, in a transaction that it ends when it is told to."""

    def __init__(self, url: str) -> None:
        self._address = address(url)
        self.connection = psycopg.connect(self._address.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    @property
    def pid(self) -> int:
        """Of the process that serves it."""
        return self.connection.info.backend_pid

    def run(self, statement: str, *values: object) -> list[Row]:
        """Run one statement, written for the schema ``whence``."""
        cursor = self.connection.execute(self._address.sql(statement), values)
        return cursor.fetchall() if cursor.description else []

    def draw(self) -> int:
        """Do what an append does first, and nothing yet that others could see."""
        self.run("select whence.enter()")
        return int(self.run("select nextval('whence.positions')")[0][0])

    def append(self, *commits: Commit) -> list[Row]:
        """Append, and leave the transaction open."""
        call = appending.each_call(commits, Manner(self._address.schema, "5s"))
        self.run("select")  # which begins the transaction
        result = self.connection.pgconn.exec_params(
            self._address.sql(call.statement), call.parameters, None, [1] * len(call.parameters)
        )
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise error_from_result(result)
        return [
            tuple(result.get_value(row, column) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def happens(self, type: str, stream: str = "") -> None:
        """Append one event, and leave the transaction open."""
        ((outcome, *_),) = self.append(commit(event(type, stream)))
        assert outcome == b"stored"


class Follower:
    """Follows the log from where it stands, like a projection."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.after = 0
        self.seen: list[str] = []

    async def look(self) -> list[str]:
        """The types of what is new to it."""
        new: list[str] = []
        async for page in self._store.read(ALL, after=self.after):
            new += [event.type for event in page.events]
            self.after = page.scanned
        self.seen += new
        return new


async def log(store: EventStore) -> list[str]:
    """The types of all events, in order."""
    return [event.type for event in await collect(store.read(ALL))]


def claim(tag: str) -> NewEvent:
    """An event that carries ``tag``."""
    return event("claimed", "", tag)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for it, looking often."""
    while True:
        if await holds():
            return
        await asyncio.sleep(0.01)
