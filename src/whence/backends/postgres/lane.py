"""One connection that writes, and what it does when a call fails.

The outcome of a call whose connection was lost is open. The server is made to end that
connection; once it is gone, what it has stored can be looked up, and what it has not stored
never will be. Only then are commits sent again, and the server knows them by their ids.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from psycopg import Error

from whence.backends.postgres import appending
from whence.backends.postgres.address import Address
from whence.backends.postgres.appending import Call, Manner
from whence.backends.postgres.connecting import Connection, Row, connect
from whence.backends.postgres.failures import BLOCKED, retried, translated, unsure
from whence.backends.postgres.inlining import Inline, stored
from whence.backends.postgres.tickets import Job
from whence.backends.postgres.wire import Answer, Fields, Wire
from whence.errors import StoreBusy, StoreError, Unknown
from whence.store import Appended

_ATTEMPTS = 20
_LOST = 3
"""So many connections may be lost over the same commits."""
_RESOLVING = 30.0
"""Seconds to wait for the server to say what became of a commit."""
_TOO_MANY_LOCKS = "53200"

# Who one is. And it waits for locks as long as it is usually told to: what is set already takes
# no time in each append.
_WHO = b"""
select pid, backend_start
from pg_stat_activity, set_config('lock_timeout', '1s', false) where pid = pg_backend_pid()
"""
_END = b"""
select pg_terminate_backend(pid) from pg_stat_activity where pid = %b and backend_start = %b
"""
_FOUND = """
select commit_id, max(position),
       coalesce(jsonb_object_agg(stream, version) filter (where version > 0), '{}')::text
from (select commit_id, stream, max(version) as version, max(position) as position
      from whence.events where commit_id = any(%b::text[]) group by commit_id, stream) found
group by commit_id
"""


class Lane:
    """Stores one group of commits after the other."""

    def __init__(self, address: Address, inline: Inline | None = None) -> None:
        self._address, self._inline = address, inline
        self._one = address.sql(appending.ONE)
        self._wire: Wire | None = None
        self._identity: Row | None = None

    async def close(self) -> None:
        """Let go of the connection."""
        if self._wire is not None:
            await self._wire.close()
            self._wire = None

    def at_once(self, job: Job, patience: float, done: Callable[[], None]) -> bool:
        """Send a single event in this turn of the event loop, if that is all there is to it.

        Nobody may use this lane until ``done`` is called; if ``job`` is not judged by then, it is
        for `store` to do, before anything else.
        """
        wire = self._wire
        if wire is None or not wire.ready(self._one) or not appending.is_one((job.commit,)):
            return False
        call = appending.one_call(job.commit, self._manner(patience))
        try:
            wire.begin(self._one, call.parameters, partial(self._judged, job, done))
        except Error as error:
            job.met = error
            return False
        return True

    def _judged(self, job: Job, done: Callable[[], None], answer: Answer) -> None:
        if isinstance(answer, Error):
            job.met = answer
        elif last := answer[0][0]:
            job.outcome = appending.plain_outcome(job.commit, int(last))
        done()

    async def store(self, jobs: Sequence[Job], patience: float) -> None:
        """Judge all ``jobs``, waiting for no lock longer than ``patience``.

        Raises the error of the driver, or a `StoreError`: then those that are not judged are
        surely not stored.
        """
        lost, few = 0, False
        plain = appending.is_plain([job.commit for job in jobs])
        for attempt in range(_ATTEMPTS):
            left = [job for job in jobs if not job.judged]
            try:
                _raise_met(left)
                manner = self._manner(patience, few=few)
                await self._judge(left, manner, plain=plain and attempt < 2)
                return
            except Error as error:
                if unsure(error):
                    lost += 1
                    await self._resolve(left, error)
                    if lost >= _LOST and not all(job.judged for job in jobs):
                        raise
                elif error.sqlstate == BLOCKED or not retried(error):
                    raise
                else:
                    few = few or error.sqlstate == _TOO_MANY_LOCKS
                    await self._again(error, attempt)
        raise StoreBusy(f"{self._address.shown}: others were faster {_ATTEMPTS} times in a row")

    def _manner(self, patience: float, *, few: bool = False) -> Manner:
        milliseconds = round(patience * 1000)
        whole = milliseconds % 1000 == 0
        shown = f"{milliseconds // 1000}s" if whole else f"{milliseconds}ms"
        return Manner(self._address.schema, shown, few)

    async def _judge(self, jobs: Sequence[Job], manner: Manner, *, plain: bool) -> None:
        if not jobs:
            return
        wire = await self._connected()
        if self._inline is not None and self._inline.concerns(job.commit for job in jobs):
            await self._judge_inline(wire, self._inline, jobs, manner, plain=plain)
        else:
            await self._judge_on(wire, jobs, manner, plain=plain)

    async def _judge_inline(
        self,
        wire: Wire,
        inline: Inline,
        jobs: Sequence[Job],
        manner: Manner,
        *,
        plain: bool,
    ) -> None:
        """The same, and keep inline read models: nothing is judged before all is stored."""
        drafts = [Job(job.commit) for job in jobs]
        async with wire.connection.transaction():
            await self._judge_on(wire, drafts, replace(manner, few=True), plain=plain)
            events = await stored(wire.connection, self._address, drafts)
            if events:
                await inline.keep(wire.connection, events)
        for job, draft in zip(jobs, drafts, strict=True):
            job.outcome, job.actual = draft.outcome, draft.actual

    async def _judge_on(
        self, wire: Wire, jobs: Sequence[Job], manner: Manner, *, plain: bool
    ) -> None:
        if plain:
            await self._judge_plain(wire, jobs, manner)
        left = [job for job in jobs if not job.judged]
        if left:
            call = appending.each_call([job.commit for job in left], manner)
            for job, row in zip(left, await self._call(wire, call), strict=True):
                outcome, last, text = row
                versions = appending.versions_in(text)
                if outcome == b"conflict":
                    job.actual = versions
                else:
                    duplicate = outcome == b"duplicate"
                    job.outcome = Appended(int(last), versions, duplicate=duplicate)

    async def _judge_plain(self, wire: Wire, jobs: Sequence[Job], manner: Manner) -> None:
        """Judge those that meet no conflict; whatever the others meet is told by another call."""
        commits = [job.commit for job in jobs]
        if appending.is_one(commits):
            ((last,),) = await self._call(wire, appending.one_call(commits[0], manner))
            found: list[Fields] = [(b"1", last)] if last else []
        else:
            found = await self._call(wire, appending.plain_call(commits, manner))
        for number, last in found:
            job = jobs[int(number) - 1]
            job.outcome = appending.plain_outcome(job.commit, int(last))

    async def _call(self, wire: Wire, call: Call) -> list[Fields]:
        return await wire.call(self._address.sql(call.statement), call.parameters)

    async def _again(self, error: Error, attempt: int) -> None:
        """Before the next attempt."""
        if error.sqlstate in ("0A000", "26000"):  # what was prepared is of no use any more
            await self.close()
        await asyncio.sleep(0.001 * attempt)

    async def _connected(self) -> Wire:
        if self._wire is None or not self._wire.alive:
            await self.close()
            connection = await connect(self._address, "whence writer")
            # A pooler may choose another connection at any time.
            prepared, shared = not self._address.pooled, self._inline is not None
            self._wire = Wire(connection, prepared=prepared, shared=shared)
            if not self._address.pooled:
                cursor = await connection.execute(_WHO)
                self._identity = await cursor.fetchone()
        return self._wire

    async def _resolve(self, jobs: Sequence[Job], error: Error) -> None:
        """Learn what became of ``jobs``: those that are not judged then are not stored."""
        identity, self._identity = self._identity, None
        await self.close()
        end, pause = asyncio.get_running_loop().time() + _RESOLVING, 0.02
        while asyncio.get_running_loop().time() < end:
            try:
                connection = (await self._connected()).connection
                if identity is None or await self._gone(connection, identity):
                    await self._look_up(connection, jobs)
                    return
            except (Error, StoreError):
                await self.close()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
        for job in jobs:
            job.outcome = Unknown(job.commit.id, str(translated(error, self._address.shown)))

    async def _gone(self, connection: Connection, identity: Row) -> bool:
        """Whether the server has finished with the connection that was lost; hurry it up."""
        cursor = await connection.execute(_END, identity)
        return await cursor.fetchone() is None

    async def _look_up(self, connection: Connection, jobs: Sequence[Job]) -> None:
        ids = [job.commit.id for job in jobs]
        cursor = await connection.execute(self._address.sql(_FOUND), (ids,))
        found = {
            id: Appended(last, appending.versions_in(text))
            for id, last, text in await cursor.fetchall()
        }
        for job in jobs:
            job.outcome = found.get(job.commit.id)


def _raise_met(jobs: Sequence[Job]) -> None:
    """Raise what one of ``jobs`` has met, as if it were met now."""
    for job in jobs:
        if job.met is not None:
            error, job.met = job.met, None
            raise error
