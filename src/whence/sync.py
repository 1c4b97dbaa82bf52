"""The verbs of an application for code that does not await: scripts, Django, tests.

One thin facade: everything runs on an event loop in a thread of its own.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import date
from threading import Thread, current_thread
from typing import Any, Generic, Self, TypeVar, Unpack, overload

from whence.aggregate import Aggregate
from whence.bus import Receipt, Sending
from whence.decider import Decider
from whence.errors import WhenceError
from whence.history import Changed, History, Moment, Past
from whence.verbs import Verbs

A = TypeVar("A", bound=Aggregate)
S = TypeVar("S")
T = TypeVar("T")


class SyncApp:
    """An application whose verbs block. Open it with ``with app.sync:``."""

    def __init__(
        self, name: str, verbs: Verbs, lifetime: AbstractAsyncContextManager[object]
    ) -> None:
        self._name, self._app, self._lifetime = name, verbs, lifetime
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise WhenceError(f"{self._name} is open already")
        self._loop = asyncio.new_event_loop()
        # A daemon: a script that forgets to close must still be able to end.
        run = self._loop.run_forever
        self._thread = Thread(target=run, name=f"whence {self._name}", daemon=True)
        self._thread.start()
        try:
            self.run(self._lifetime.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._lifetime.__aexit__(None, None, None))
        finally:
            self._stop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the application's event loop and wait for its result."""
        if self._loop is None:
            work.close()
            raise WhenceError(f"{self._name} is not open: use `with app.sync:`")
        if current_thread() is self._thread:
            work.close()
            raise WhenceError(
                f"{self._name} would wait for itself: what runs inside the application, such as a"
                " step or an answer, uses the application itself, and awaits"
            )
        result = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return result.result()
        except BaseException:
            result.cancel()  # interrupted while waiting: what nobody waits for shall not go on
            raise

    def send(self, command: object, **about: Unpack[Sending]) -> Receipt:
        """See `App.send`."""
        return self.run(self._app.send(command, **about))

    @overload
    def history(self, part: type[A], id: object) -> "SyncHistory[A]": ...
    @overload
    def history(self, part: Decider[Any, S, Any], id: object) -> "SyncHistory[S]": ...
    @overload
    def history(self, part: str, id: object) -> "SyncHistory[Any]": ...
    def history(self, part: Any, id: object) -> "SyncHistory[Any]":
        """See `App.history`."""
        return SyncHistory(self, self._app.history(part, id))

    def _stop(self) -> None:
        loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_finish(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _finish() -> None:
    """Cancel what is left on this event loop, and wait for it, as `asyncio.run` does."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


class SyncHistory(Generic[S]):
    """See `History`."""

    def __init__(self, app: SyncApp, history: History[S]) -> None:
        self._app, self._history = app, history

    def at(
        self,
        moment: Moment | None = None,
        *,
        version: int | None = None,
        time: str | date | None = None,
        position: int | None = None,
    ) -> S:
        """See `History.at`."""
        past = self._history.at(moment, version=version, time=time, position=position)
        return self._app.run(past)

    def now(self) -> S:
        """See `History.now`."""
        return self._app.run(self._history.now())

    def diff(self, before: Moment, after: Moment) -> list[Changed]:
        """See `History.diff`."""
        return self._app.run(self._history.diff(before, after))

    def events(self, *, after: int = 0, limit: int | None = None) -> list[Past]:
        """See `History.events`. All at once."""

        async def collect() -> list[Past]:
            return [past async for past in self._history.events(after=after, limit=limit)]

        return self._app.run(collect())
