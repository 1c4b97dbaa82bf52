"""Calls on one connection, without the driver's cursors.

A cursor of psycopg looks at each parameter, and waits in several turns of the event loop, each
with a new watch on the socket: for a small call that takes longer than the server does. Here
parameters come in binary; a call is sent where it is made, and its answer is taken in the turn of
the loop that brings it.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from psycopg import Error, OperationalError
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from whence.backends.postgres.binary import Value
from whence.backends.postgres.connecting import Connection, closed, lost

Fields = Sequence[bytes]
"""Of one row, as text; an empty one for null."""
Answer = list[Fields] | Error

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
        self._crowded = False
        """Whether something is unsent, since the socket has no room for it."""
        self._answered: Callable[[Answer], None] | None = None
        """Whom to tell the answer of the call that is under way."""
        self._result: PGresult | None = None
        """What has come of it: the first failure, or else the last result."""
        self._news = asyncio.Event()

    async def close(self) -> None:
        """Let go of the connection; a call that is under way fails."""
        self._unwatch()
        self._finish(OperationalError("the connection was closed"))
        await closed(self.connection)

    @property
    def alive(self) -> bool:
        """Whether the server has not hung up: it is better to know before."""
        return not lost(self.connection)

    def ready(self, statement: bytes) -> bool:
        """Whether `begin` will do for ``statement``."""
        known = not self._prepared or statement in self._names
        idle = self._answered is None and self._watched is not None
        return known and idle and self.alive

    async def call(self, statement: bytes, values: Sequence[Value]) -> list[Fields]:
        """The rows of ``statement``. Raises the error of the driver."""
        if self._prepared and statement not in self._names:
            await self._prepare(statement)
        answer: asyncio.Future[list[Fields]] = asyncio.get_running_loop().create_future()
        self.begin(statement, values, partial(_settle, answer))
        return await answer

    def begin(
        self, statement: bytes, values: Sequence[Value], answered: Callable[[Answer], None]
    ) -> None:
        """Send a call, whose answer is told to ``answered``. Raises the error of the driver."""
        formats = [_BINARY] * len(values)
        if self._prepared:
            self._server.send_query_prepared(self._names[statement], values, formats)
        else:
            self._server.send_query_params(statement, values, None, formats)
        self._expect(answered)

    async def heard(self) -> None:
        """Return when a notification has come. Raises the error of a connection that is lost."""
        self._watch()
        await self._news.wait()
        self._news.clear()
        if lost(self.connection):
            raise OperationalError("the connection is lost")

    async def _prepare(self, statement: bytes) -> None:
        name = b"whence_%d" % len(self._names)
        answer: asyncio.Future[list[Fields]] = asyncio.get_running_loop().create_future()
        self._server.send_prepare(name, statement)
        self._expect(partial(_settle, answer))
        await answer
        self._names[statement] = name

    def _expect(self, answered: Callable[[Answer], None]) -> None:
        """Watch for the answer of what was sent."""
        self._answered = answered
        self._watch()
        self._send_rest()

    def _send_rest(self) -> None:
        crowded = self._server.flush() == 1
        if crowded != self._crowded:
            self._crowded, loop = crowded, asyncio.get_running_loop()
            if crowded:
                loop.add_writer(self._server.socket, self._wake)
            else:
                loop.remove_writer(self._server.socket)

    def _wake(self) -> None:
        """Take what has come; tell the answer if it is whole."""
        if self._answered is None:
            self._listen()
            return
        try:
            if self._crowded:
                self._send_rest()
            self._server.consume_input()
            self._take_news()
            while not self._server.is_busy():
                if (next := self._server.get_result()) is None:
                    self._finish(_answer(self._result))
                    return
                if self._result is None or self._result.status not in _FAILED:
                    self._result = next
        except Error as error:
            self._finish(error)

    def _finish(self, answer: Answer) -> None:
        answered, self._answered, self._result = self._answered, None, None
        if self._shared:
            self._unwatch()
        elif isinstance(answer, Error):
            self._listen()  # it may have been the last words
        if answered is not None:
            answered(answer)

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
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._watched)
            if self._crowded:
                loop.remove_writer(self._watched)
            self._watched, self._crowded = None, False


def _answer(result: PGresult | None) -> Answer:
    if result is None:
        return OperationalError("the server gave no answer")
    if result.status in _FAILED:
        error = error_from_result(result)
        # The end of a connection is an answer without a state: its outcome is open.
        return error if error.sqlstate else OperationalError(str(error))
    columns = range(result.nfields)
    return [
        [result.get_value(row, column) or b"" for column in columns]
        for row in range(result.ntuples)
    ]


def _settle(future: "asyncio.Future[list[Fields]]", answer: Answer) -> None:
    if future.done():  # cancelled: nobody waits any more
        return
    if isinstance(answer, Error):
        future.set_exception(answer)
    else:
        future.set_result(answer)
