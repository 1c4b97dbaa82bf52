"""A network between a store and its server that cuts connections on demand."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

Moment = Literal["before", "during", "after"]
MARK = b"cut here"
"""In the data of an event: its request is the one on which the connection is cut."""


class Proxy:
    """Passes everything on, until it meets a request with `MARK`.

    ``before``: the request never reaches the server. ``during``: it does, and the connection to
    the client is cut at once, while the server notices nothing. ``after``: once the server has
    answered, before the client hears of it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._parts = urlsplit(url)
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self.moment: Moment | None = None
        self.always = False
        """Whether to do so more than once."""
        self.cuts = 0
        self.on_cut: Callable[[], None] = lambda: None
        """Called right before the connection to the client is cut."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The same database through this network."""
        who = self._parts.netloc.rpartition("@")[0]
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._parts._replace(netloc=f"{who}@127.0.0.1:{port}"))

    async def unused(self) -> bool:
        """Whether nobody is connected."""
        return not self._tasks

    async def _accept(self, client: StreamReader, answers: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._pass_on(client, answers)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            answers.close()

    async def _pass_on(self, client: StreamReader, answers: StreamWriter) -> None:
        host, port = self._parts.hostname, self._parts.port
        server, requests = await asyncio.open_connection(host, port)
        back = asyncio.create_task(copy(server, answers))
        try:
            while request := await client.read(1 << 16):
                if self.moment is not None and MARK in request:
                    await self._cut(request, server, requests, back, answers)
                    return
                requests.write(request)
                await requests.drain()
        finally:
            back.cancel()
            requests.close()

    async def _cut(
        self,
        request: bytes,
        server: StreamReader,
        requests: StreamWriter,
        back: asyncio.Task[None],
        answers: StreamWriter,
    ) -> None:
        moment = self.moment
        if not self.always:
            self.moment = None
        self.cuts += 1
        back.cancel()
        with suppress(asyncio.CancelledError):
            await back
        if moment == "before":
            return
        requests.write(request)
        await requests.drain()
        if moment == "during":
            answers.close()
        while await server.read(1 << 16):  # until it has answered, or until its end
            if moment == "after":
                self.on_cut()
                return


async def copy(source: StreamReader, target: StreamWriter) -> None:
    """All that comes."""
    with suppress(ConnectionError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    target.close()
