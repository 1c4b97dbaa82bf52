"""Calls on one connection, without the driver's cursors.

A cursor of psycopg looks at each parameter, and waits in several turns of the event loop, each
with a new watch on the socket: for a small call that takes longer than the server does. Here
parameters come in binary, and one turn sends, one receives.
"""

import asyncio
from collections.abc import Sequence

from psycopg import OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from whence.backends.postgres.binary import Value
from whence.backends.postgres.connecting import Connection

Fields = Sequence[bytes]
"""Of one row, as text; an empty one for null."""

_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)


class Wire:
    """Calls on ``connection``, one after the other; nobody else uses it meanwhile.

    ``prepared``: each statement is prepared the first time it is called.
    """

    def __init__(self, connection: Connection, *, prepared: bool) -> None:
        self.connection = connection
        self._server = connection.pgconn
        self._prepared = prepared
        self._names: dict[bytes, bytes] = {}

    async def call(self, statement: bytes, values: Sequence[Value]) -> list[Fields]:
        """The rows of ``statement``. Raises the error of the driver."""
        formats = [Format.BINARY] * len(values)
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

    async def _prepare(self, statement: bytes) -> bytes:
        name = b"whence_%d" % len(self._names)
        self._server.send_prepare(name, statement)
        await self._result()
        self._names[statement] = name
        return name

    async def _result(self) -> PGresult:
        """The last result of what was sent. Raises the error that the server answers."""
        result: PGresult | None = None
        while True:
            await self._ready(unsent=self._server.flush() == 1)
            self._server.consume_input()
            while not self._server.is_busy():
                if (next := self._server.get_result()) is None:
                    return _checked(result)
                if result is None or result.status not in _FAILED:
                    result = next

    async def _ready(self, *, unsent: bool) -> None:
        """Until there is something to read, or room for what is ``unsent``."""
        loop, socket = asyncio.get_running_loop(), self._server.socket
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(socket, _wake, ready)
        if unsent:
            loop.add_writer(socket, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(socket)
            if unsent:
                loop.remove_writer(socket)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _checked(result: PGresult | None) -> PGresult:
    if result is None:
        raise OperationalError("the server gave no answer")
    if result.status in _FAILED:
        error = error_from_result(result)
        # The end of a connection is an answer without a state: its outcome is open.
        raise error if error.sqlstate else OperationalError(str(error))
    return result
