"""The event store in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from psycopg import Error, connect

from whence.backends.postgres import health, schema
from whence.backends.postgres.address import address
from whence.backends.postgres.connecting import Row
from whence.backends.postgres.inlining import Inline
from whence.backends.postgres.readers import Readers
from whence.backends.postgres.reading import Scan
from whence.backends.postgres.watcher import Watcher
from whence.backends.postgres.writer import Writer
from whence.errors import StoreError
from whence.health import Finding
from whence.store import Commit, EventQuery, Outcome, Page, check_read
from whence.telemetry import Telemetry

_OTHERS = 3
"""Connections beside those that read: two to write, and one to hear of news."""

_TABLES = "select from pg_tables where schemaname = %s and tablename = 'migrations'"

# Each found by a jump over all events of the one before.
_STREAMS = """
with recursive names (stream) as (
    (select stream from whence.events where version > 0 and stream > %b and stream >= %b
     order by stream limit 1)
    union all
    select (select e.stream from whence.events e where e.version > 0 and e.stream > names.stream
            order by e.stream limit 1)
    from names where left(names.stream, length(%b)) = %b
)
select stream, whence.version_of(stream) from names
where left(stream, length(%b)) = %b limit %b
"""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an open store needs."""

    readers: Readers
    writer: Writer
    watcher: Watcher


class PostgresStore:
    """Shared by any number of processes on any number of machines.

    ``url`` is a libpq URL; ``?schema=name`` names the schema (default: whence), and
    ``?pooled=yes`` says that a pooler in transaction mode stands in between. Holds at most
    ``readers`` connections to read, one or two to write, and one to hear of news;
    ``?pool=10`` says how many that may be in all.
    """

    remote = True
    """Pages are made elsewhere: whoever handles one does well to have the next one fetched."""

    def __init__(self, url: str, *, readers: int = 4) -> None:
        self.address = address(url)
        pool = self.address.pool
        self.inline: Inline | None = None
        """Set it before the store is opened."""
        self._number_of_readers = readers if pool is None else pool - 3
        self._open: _Parts | None = None

    async def __aenter__(self) -> "PostgresStore":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect; create the schema if there is none. Raises the `StoreError` that fits."""
        if self._open is None:
            await schema.prepare(self.address)
            readers = Readers(self.address, self._number_of_readers)
            watcher = Watcher(self.address, readers.watermark, readers.query)
            writer = Writer(self.address, watcher, readers, self.inline)
            self._open = _Parts(readers, writer, watcher)

    async def close(self) -> None:
        """Finish what waits and let go of the connections."""
        if self._open is not None:
            parts, self._open = self._open, None
            await parts.writer.close()
            await parts.watcher.close()
            await parts.readers.close()

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        """See `EventStore.append`. Cancelled while it waits: the outcome is unknown."""
        return await self._parts.writer.append(commits) if commits else []

    async def read(
        self,
        query: EventQuery,
        *,
        after: int = 0,
        backwards: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[Page]:
        """See `EventStore.read`."""
        check_read(after, limit)
        readers = self._parts.readers
        scan, finished = await readers.counted(Scan(query, after, backwards, limit)), False
        while not finished:
            page, finished = await readers.page(scan)
            yield page
            scan = scan.beyond(page)

    async def head(self) -> int:
        """See `EventStore.head`."""
        return await self._parts.readers.watermark()

    async def wait(self, after: int, timeout: float) -> None:
        """See `EventStore.wait`."""
        await self._parts.watcher.wait(after, timeout)

    async def streams(
        self, prefix: str = "", *, after: str = "", limit: int = 1_000
    ) -> list[tuple[str, int]]:
        """Streams and their versions by name: those after ``after`` that start so."""
        rows = await self.query(_STREAMS, [after, *[prefix] * 5, limit])
        return [(stream, version) for stream, version in rows]

    def exists(self) -> bool:
        """Whether there are tables of whence; also if that cannot be learnt: opening will say."""
        try:
            with connect(self.address.url, connect_timeout=5) as connection:
                found = connection.execute(_TABLES, (self.address.schema,)).fetchone()
        except Error:
            return True
        return found is not None

    async def examine(self) -> list[Finding]:
        """Whether the database is well. Nothing is changed."""
        return await health.examine(self.address)

    async def query(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement, written for the schema ``whence``, on a connection that reads."""
        return await self._parts.readers.query(statement, values)

    @property
    def telemetry(self) -> Telemetry:
        """What the open store has measured: ``delivery.held``, in seconds."""
        return self._parts.watcher.telemetry

    @property
    def _parts(self) -> _Parts:
        if self._open is None:
            raise StoreError(f"{self.address.shown} is not open: use `async with`")
        return self._open
