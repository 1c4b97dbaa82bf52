"""Connections that read: a pool, and the questions that are asked on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from psycopg import Error

from whence.backends.postgres import reading
from whence.backends.postgres.address import Address
from whence.backends.postgres.connecting import Row
from whence.backends.postgres.failures import translated, unsure
from whence.backends.postgres.pool import Pool
from whence.backends.postgres.reading import Scan
from whence.envelope import Recorded
from whence.errors import Conflict
from whence.store import MOST_CONFLICTING, PAGE_EVENTS, Commit, EventQuery, Page

_WATERMARK = "select whence.watermark()"
_RAREST = """
select word, (select count(*) from (select from whence.tags t where t.tag = word limit %b) found)
from unnest(%b::text[]) as word
"""


class Readers:
    """At most ``size`` connections, shared by all that read."""

    def __init__(self, address: Address, size: int) -> None:
        self._address = address
        self._mark, self._stored = 0, 1
        self._pool = Pool(address, size, "whence reader")

    async def close(self) -> None:
        """Let go of the connections."""
        await self._pool.close()

    async def watermark(self) -> int:
        """The position up to which everything is visible to whoever asks next, for ever."""
        rows = await self.query(_WATERMARK)
        self._mark = max(self._mark, int(rows[0][0]))
        return self._mark

    def stored(self, position: int) -> None:
        """This process has stored events up to ``position``."""
        self._stored = max(self._stored, position)

    async def page(self, scan: Scan) -> tuple[Page, bool]:
        """The next page of ``scan``, and whether it is the last.

        The mark is taken in an earlier statement than the rows: all below it are visible then.
        Far behind one that is known, no other is needed.
        """
        far = scan.limit is None and not scan.backwards and scan.after + scan.most < self._mark
        mark = self._mark if far else await (self._known() if scan.stream else self.watermark())
        rows = await self.query(*scan.statement(mark))
        page, last = scan.page(rows, mark)
        return page, last and not far

    async def counted(self, scan: Scan) -> Scan:
        """``scan``, with its tags counted if it has to choose between them."""
        tags = {tag for item in scan.query.items if len(item.tags) > 1 for tag in item.tags}
        if not tags:
            return scan
        return replace(scan, common=dict(await self.query(_RAREST, [PAGE_EVENTS, list(tags)])))

    async def conflict(self, commit: Commit, actual: Mapping[str, int]) -> Conflict:
        """The conflict, with the events that came in between."""
        expected = {stream: commit.expected[stream] for stream in actual}
        events: list[Recorded] = []
        for stream, version in expected.items():
            rows = await self.query(*reading.between(stream, version, MOST_CONFLICTING))
            events += map(reading.recorded, rows)
        if not actual and commit.unless is not None:
            events += await self._oldest(commit.unless, commit.after)
        events.sort(key=lambda event: event.position)
        return Conflict(expected, actual, events[:MOST_CONFLICTING])

    async def query(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement; once more if the connection turns out to be lost."""
        text = self._address.sql(statement)
        try:
            return await self._ask(text, values)
        except Error as error:
            if not unsure(error):
                raise translated(error, self._address.shown) from error
        await self._pool.renew()
        try:
            return await self._ask(text, values)
        except Error as error:
            raise translated(error, self._address.shown) from error

    async def _ask(self, text: bytes, values: Sequence[object]) -> list[Row]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(text, values, binary=True)
            return await cursor.fetchall() if cursor.description else []

    async def _oldest(self, query: EventQuery, after: int) -> Sequence[Recorded]:
        """The first events that match, as many as a conflict lists; also beyond the mark."""
        scan, finished = Scan(query, after, limit=MOST_CONFLICTING), False
        while not finished:
            rows = await self.query(*scan.statement(reading.NEWEST))
            page, finished = scan.page(rows, reading.NEWEST)
            if page.events:
                return page.events
            scan = scan.beyond(page)
        return ()

    async def _known(self) -> int:
        """A watermark, which may be an old one if this process has stored nothing since."""
        return await self.watermark() if self._stored > self._mark else self._mark
