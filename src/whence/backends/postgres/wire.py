"""Calls on one connection, without the driver's cursors.

A cursor of psycopg looks at each parameter, and waits in several turns of the event loop, each
with a new watch on the socket: for a small call that takes longer than the server does. Here
parameters come in binary, and one turn sends, one receives.
"""

import asyncio
from collections.abc import Sequence

from psycopg import OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from whence.backends.postgres.binary import Value
from whence.backends.postgres.connecting import Connection, closed, lost

Fields = Sequence[bytes]
"""Of one row, as text; an empty one for null."""

_BINARY = 1
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Wire:
    """Calls on ``connection``, one after the other.

    ``prepared``: each statement is prepared the first time it is called. ``shared``: cursors of
    the driver use the connection, too, in between; they would take its socket off the watch.
    """

    def __init__(self, connection: Connection, *, prepared: bool, shared: bool) -> None:
        self.connection = connection
        self._server = connection.pgconn
        self._prepared, self._shared = prepared, shared
        self._names: dict[bytes, bytes] = {}
        self._watched: int | None = None
        self._ready: asyncio.Future[None] | None = None
        self._news = asyncio.Event()

    async def close(self) -> None:
        """Let go of the connection; a call that is under way fails."""
        self._unwatch()
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(OperationalError("the connection was closed"))
        await closed(self.connection)

    async def call(self, statement: bytes, values: Sequence[Value]) -> list[Fields]:
        """The rows of ``statement``. Raises the error of the driver."""
        formats = [_BINARY] * len(values)
        if self._prepared:
            name = self._names.get(statement) or await self._prepare(statement)
            self._server.send_query_prepared(name, values, formats)
        else:
            self._server.send_query_params(statement, values, None, formats)
        result = await self._result()
        columns = range(result.nfields)
        return [
            [result.get_value(row, column) or b"" for column in columns]
            for row in range(result.ntuples)
        ]

    async def heard(self) -> None:
        """Return when a notification has come. Raises the error of a connection that is lost."""
        self._watch()
        await self._news.wait()
        self._news.clear()
        if lost(self.connection):
            raise OperationalError("the connection is lost")

    async def _prepare(self, statement: bytes) -> bytes:
        name = b"whence_%d" % len(self._names)
        self._server.send_prepare(name, statement)
        await self._result()
        self._names[statement] = name
        return name

    async def _result(self) -> PGresult:
        """The first failure, or else the last result of what was sent."""
        result: PGresult | None = None
        while True:
            await self._wait(unsent=self._server.flush() == 1)
            self._server.consume_input()
            self._take_news()
            while not self._server.is_busy():
                if (next := self._server.get_result()) is None:
                    return _checked(result)
                if result is None or result.status not in _FAILED:
                    result = next

    async def _wait(self, *, unsent: bool) -> None:
        """Until there is something to read, or room for what is ``unsent``."""
        loop, socket = asyncio.get_running_loop(), self._server.socket
        self._ready = loop.create_future()
        self._watch()
        if unsent:
            loop.add_writer(socket, self._wake)
        try:
            await self._ready
        finally:
            self._ready = None
            if unsent:
                loop.remove_writer(socket)
            if self._shared:
                self._unwatch()

    def _wake(self) -> None:
        if self._ready is None:
            self._listen()
        elif not self._ready.done():
            self._ready.set_result(None)

    def _listen(self) -> None:
        """Hear what the server says by itself: a notification, or that it goes away."""
        if lost(self.connection):
            self._unwatch()
            self._news.set()
        else:
            self._take_news()

    def _take_news(self) -> None:
        while self._server.notifies():
            self._news.set()

    def _watch(self) -> None:
        if self._watched is None:
            self._watched = self._server.socket
            asyncio.get_running_loop().add_reader(self._watched, self._wake)

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None


def _checked(result: PGresult | None) -> PGresult:
    if result is None:
        raise OperationalError("the server gave no answer")
    if result.status in _FAILED:
        error = error_from_result(result)
        # The end of a connection is an answer without a state: its outcome is open.
        raise error if error.sqlstate else OperationalError(str(error))
    return result
