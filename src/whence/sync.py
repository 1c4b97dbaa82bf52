"""The verbs of an application for code that does not await: scripts, Django, tests.

One thin facade: everything runs on an event loop in a thread of its own.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager
from datetime import date
from threading import Lock, Thread, current_thread
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack, overload

from whence.aggregate import Aggregate
from whence.decider import Decider
from whence.errors import WhenceError
from whence.history import Changed, History, Moment, Past
from whence.queries import Rows, RowsPage
from whence.readmodels import ReadModel
from whence.sending import Receipt, Sending
from whence.temporal import Positioned, Progress, RowChange, When
from whence.verbs import Verbs

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Table

    from whence.blocking import SyncOperations
    from whence.verifying import Verified
    from whence.why import Reason

A = TypeVar("A", bound=Aggregate)
R = TypeVar("R", bound=ReadModel)
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
        self._door = Lock()

    def __enter__(self) -> Self:
        if self.is_open:
            raise WhenceError(f"{self._name} is open already")
        loop = asyncio.new_event_loop()
        # A daemon: a script that forgets to close must still be able to end.
        thread = Thread(target=loop.run_forever, name=f"whence {self._name}", daemon=True)
        thread.start()
        self._door, self._loop, self._thread = Lock(), loop, thread
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

    @property
    def is_open(self) -> bool:
        """Whether it can be used. A fork does not get the thread that runs everything."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the application's event loop and wait for its result."""
        if current_thread() is self._thread:
            work.close()
            raise WhenceError(
                f"{self._name} would wait for itself: what runs inside the application, such as a"
                " step or an answer, uses the application itself, and awaits"
            )
        result = self._begin(work)
        try:
            return result.result()
        except CancelledError as error:
            if self._loop is None:
                raise WhenceError(
                    f"{self._name} was closed by another thread: what became of this is unknown"
                ) from error
            raise
        except BaseException:
            result.cancel()  # interrupted while waiting: what nobody waits for shall not go on
            raise

    def _begin(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        if self.is_open:
            with self._door:  # nobody comes in while another thread closes it
                if self._loop is not None:
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
        work.close()
        raise WhenceError(f"{self._name} is not open: use `with app.sync:`")

    def send(self, command: object, **about: Unpack[Sending]) -> Receipt:
        """See `App.send`."""
        return self.run(self._app.send(command, **about))

    def ask(self, query: object) -> Any:
        """See `App.ask`."""
        return self.run(self._app.ask(query))

    @property
    def projections(self) -> "SyncOperations":
        """See `App.projections`."""
        from whence.blocking import SyncOperations

        return SyncOperations(self.run, self._app.projections)

    def read(self, model: type[R]) -> "SyncRows[R]":
        """See `App.read`."""
        return SyncRows(self, self._app.read(model))

    def why(
        self,
        model: type[ReadModel],
        key: object,
        column: str | None = None,
        *,
        limit: int | None = None,
    ) -> "list[Reason]":
        """See `App.why`."""
        return self.run(self._app.why(model, key, column, limit=limit))

    def verify(
        self,
        model: type[R],
        *,
        sample: float | None = None,
        keys: Collection[object] | None = None,
        repair: bool = False,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> "Verified[R]":
        """See `App.verify`. ``progress`` is called from another thread."""
        work = self._app.verify(
            model, sample=sample, keys=keys, repair=repair, seed=seed, progress=progress
        )
        return self.run(work)

    def rebuild(
        self,
        model: type[ReadModel],
        progress: Progress | None = None,
        *,
        keys: Collection[object] | None = None,
        where: Mapping[str, object] | None = None,
        workers: int = 1,
    ) -> None:
        """See `App.rebuild`. ``progress`` is called from another thread."""
        self.run(self._app.rebuild(model, progress, keys=keys, where=where, workers=workers))

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
        if not self.is_open:
            return
        with self._door:
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


class SyncRows(Generic[R]):
    """See `Rows`. Iterating over it, or `all`, answers the question."""

    def __init__(self, app: SyncApp, rows: Rows[R]) -> None:
        self._app, self._rows = app, rows

    def get(
        self, key: object, *, after: Positioned | int | None = None, timeout: float = 5.0
    ) -> R | None:
        """See `Rows.get`."""
        return self._app.run(self._rows.get(key, after=after, timeout=timeout))

    def after(self, seen: Positioned | int, timeout: float = 5.0) -> "SyncRows[R]":
        """See `Rows.after`."""
        return SyncRows(self._app, self._rows.after(seen, timeout))

    def where(self, *conditions: "ColumnElement[bool]", **equal: object) -> "SyncRows[R]":
        """See `Rows.where`."""
        return SyncRows(self._app, self._rows.where(*conditions, **equal))

    def starting_with(self, **beginnings: str) -> "SyncRows[R]":
        """See `Rows.starting_with`."""
        return SyncRows(self._app, self._rows.starting_with(**beginnings))

    def order_by(self, *columns: str) -> "SyncRows[R]":
        """See `Rows.order_by`."""
        return SyncRows(self._app, self._rows.order_by(*columns))

    def limit(self, count: int) -> "SyncRows[R]":
        """See `Rows.limit`."""
        return SyncRows(self._app, self._rows.limit(count))

    def offset(self, count: int) -> "SyncRows[R]":
        """See `Rows.offset`."""
        return SyncRows(self._app, self._rows.offset(count))

    def all(self) -> list[R]:
        """See `Rows.all`."""
        return self._app.run(self._rows.all())

    def __iter__(self) -> Iterator[R]:
        return iter(self.all())

    def page(self, size: int = 50, cursor: str | None = None) -> RowsPage[R]:
        """See `Rows.page`."""
        return self._app.run(self._rows.page(size, cursor))

    def first(self) -> R | None:
        """See `Rows.first`."""
        return self._app.run(self._rows.first())

    def count(self) -> int:
        """See `Rows.count`."""
        return self._app.run(self._rows.count())

    def as_of(self, moment: When, progress: Progress | None = None) -> "SyncRows[R]":
        """See `Rows.as_of`."""
        return SyncRows(self._app, self._rows.as_of(moment, progress))

    def diff(
        self, before: When, after: When, progress: Progress | None = None
    ) -> list[RowChange[R]]:
        """See `Rows.diff`."""
        return self._app.run(self._rows.diff(before, after, progress))

    def watch(self, key: object) -> Iterator[R | None]:
        """See `Rows.watch`. It waits for each change; leave the loop to stop watching."""
        watched = self._rows.watch(key)

        async def following() -> tuple[R | None] | None:
            async for row in watched:
                return (row,)
            return None

        try:
            while self._app.is_open and (found := self._app.run(following())) is not None:
                yield found[0]
        finally:
            if self._app.is_open:
                self._app.run(watched.aclose())

    @property
    def table(self) -> "Table":
        """See `Rows.table`."""
        return self._rows.table

    def select(self) -> "Select[Any]":
        """See `Rows.select`."""
        return self._rows.select()
