"""A read model of an open application: all that can be asked of it, now and in the past."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from whence.codec import Codec
from whence.errors import StoreError, WiringError
from whence.folds import NOTHING, Fold, Rows, Skipped
from whence.queries import Selection, Source
from whence.readmodels import ReadModel, ReadModelSpec, text_of
from whence.slices import name_of
from whence.store import EventStore
from whence.temporal import Progress, RowChange, When, differing, position_of, when
from whence.tracing import Trace
from whence.watching import Beginning, Watching
from whence.why import Explanation, Reason

if TYPE_CHECKING:
    from sqlalchemy import Select, Table

    from whence.backends.sql.scratch import Scratch
    from whence.backends.sql.scratches import Scratches

R = TypeVar("R", bound=ReadModel)

LeftOut = Callable[[str], Awaitable[Skipped]]
"""Finds the events that a read model, by its name, leaves out."""


async def nothing(name: str) -> Skipped:
    """Every event counts."""
    return NOTHING


class KeptRows(Source[R], Protocol[R]):
    """Rows in a table."""

    async def placed(self, key: object) -> tuple[R, int] | None:
        """The row of ``key``, and the position of the last event in it."""
        ...


@dataclass(frozen=True, slots=True)
class Kept(Generic[R]):
    """The table of a read model that has one."""

    rows: KeptRows[R]
    checkpoint: Callable[[], Awaitable[int]]
    """Finds the position up to which the log is in it."""
    reached: Callable[[int, float], Awaitable[None]]
    """Waits until it is as far as a position, so many seconds at most."""
    parked: Callable[[Collection[str]], Awaitable[str | None]]
    """Finds out why the events of one of these keys wait; None: they do not."""


class Folding:
    """What folding needs, the same for all read models of an application."""

    def __init__(
        self, store: EventStore, events: Codec, scratches: "Scratches", left_out: LeftOut = nothing
    ) -> None:
        self.store, self.events, self.scratches = store, events, scratches
        self.left_out = left_out
        self.watching = Watching(store)

    async def close(self) -> None:
        """End all that is watched, and forget what was folded."""
        await self.watching.close()
        await self.scratches.close()


class OpenModel(Generic[R]):
    """One read model, whether its rows are kept or folded when they are asked for."""

    def __init__(
        self,
        folding: Folding,
        fold: Fold[R],
        table: "Table",
        kept: Kept[R] | None = None,
    ) -> None:
        self.table, self.fold, self.folding = table, fold, folding
        self._kept = kept

    @property
    def spec(self) -> ReadModelSpec[R]:
        """See `Model.spec`."""
        return self.fold.spec

    @property
    def now(self) -> Source[R]:
        """See `Model.now`."""
        return LiveRows(self) if self._kept is None else self._kept.rows

    async def reached(self, position: int, timeout: float) -> None:
        """See `Model.reached`. What is folded when it is asked for is never behind."""
        if self._kept is not None:
            await self._kept.reached(position, timeout)

    def as_of(self, said: When, progress: Progress | None = None) -> Source[R]:
        """See `Model.as_of`."""
        return PastRows(self, said, progress)

    async def diff(
        self, selection: Selection, before: When, after: When, progress: Progress | None = None
    ) -> list[RowChange[R]]:
        """See `Model.diff`."""
        one = await position_of(self.folding.store, when(before))
        other = await position_of(self.folding.store, when(after))
        low, high, left_out = min(one, other), max(one, other), await self.left_out()
        touched = self.folding.scratches.touched
        old, new = await touched(self.fold, self.table, low, high, left_out, progress)
        if selection != Selection():
            old, new = await self._chosen(old, selection), await self._chosen(new, selection)
        if one > other:
            old, new = new, old
        changes = (self._change(key, old.get(key), new.get(key)) for key in {**old, **new})
        return sorted((one for one in changes if one.changes), key=_by_key)

    def watch(self, key: object) -> AsyncGenerator[R | None]:
        """See `Model.watch`."""
        return self.folding.watching.watch(self.fold, key, lambda: self._begin(key))

    async def why(
        self, key: object, column: str | None = None, limit: int | None = None
    ) -> list[Reason]:
        """See `App.why`."""
        explanation = Explanation(
            self.folding.store,
            self.folding.events,
            self.fold,
            self._placed,
            await self.left_out(),
        )
        return await explanation.why(self.spec.fitting(self.spec.key, key), column, limit)

    async def left_out(self) -> Skipped:
        """The events that it leaves out."""
        return await self.folding.left_out(self.spec.name)

    async def row(self, key: object, until: int | None = None) -> R | None:
        """The row of ``key`` as its own events make it, up to a position."""
        trace = Trace(self.folding.store, self.fold, key, await self.left_out())
        return await trace.row(until)

    async def _begin(self, key: object) -> Beginning[R]:
        """The row of ``key`` as it is kept.

        The checkpoint is read first: the row is at least as far. A row that is not there may have
        come and gone since, so it is folded from the beginning.
        """
        left_out, problem = await self.left_out(), await self._parked(key)
        checkpoint = await self._checkpoint()
        found = await self._placed(key)
        if found is None:
            return Beginning(None, 0, left_out, problem)
        return Beginning(found[0], max(found[1], checkpoint), left_out, problem)

    async def _parked(self, key: object) -> str | None:
        """Why the events of a row wait."""
        if self._kept is None:
            return None
        streams = (f"stream:{category}-{text_of(key)}" for category in self.spec.follows)
        return await self._kept.parked([name_of(key), *streams])

    async def _checkpoint(self) -> int:
        with suppress(StoreError):
            return 0 if self._kept is None else await self._kept.checkpoint()
        return 0

    async def _placed(self, key: object) -> tuple[R, int] | None:
        """The row of ``key`` as it is kept, if its database can say so.

        It saves work, but all is in the log: also if there is no table yet, or one of other code.
        """
        with suppress(StoreError):
            return None if self._kept is None else await self._kept.rows.placed(key)
        return None

    async def _chosen(self, rows: Rows[R], selection: Selection) -> Rows[R]:
        """Those of ``rows`` that a question finds."""
        async with self.folding.scratches.of(self.fold, self.table, rows) as scratch:
            return {getattr(row, self.spec.key): row for row in await scratch.fetch(selection)}

    def _change(self, key: Any, before: R | None, after: R | None) -> RowChange[R]:
        return RowChange(key, before, after, differing(self.spec, before, after))


class FoldedRows(ABC, Generic[R]):
    """Rows that are folded from the log for each question. See `whence.queries.Source`.

    What cannot be folded is answered as a table answers that has parked it: without that event
    and those behind it. Only who asks for that very row gets the error.
    """

    def __init__(self, model: OpenModel[R]) -> None:
        self._model = model

    @abstractmethod
    async def get(self, key: object) -> R | None:
        """See `Source.get`."""

    async def fetch(self, selection: Selection) -> list[R]:
        """See `Source.fetch`."""
        async with await self._folded() as rows:
            return await rows.reader.fetch(selection)

    async def count(self, selection: Selection) -> int:
        """See `Source.count`."""
        async with await self._folded() as rows:
            return await rows.reader.count(selection)

    def select(self, selection: Selection) -> "Select[Any]":
        """See `Source.select`. There is no database that could be asked."""
        raise WiringError(
            f"{self._model.spec.name} is folded for this question and is in no database: await"
            " the question itself, with where, order_by and the like"
        )

    @abstractmethod
    async def _folded(self) -> AbstractAsyncContextManager["Scratch[R]"]:
        """All rows."""


class PastRows(FoldedRows[R]):
    """The rows of a read model as they were at one moment."""

    def __init__(self, model: OpenModel[R], said: When, progress: Progress | None = None) -> None:
        super().__init__(model)
        self._moment, self._progress = when(said), progress
        self._position: int | None = None

    async def get(self, key: object) -> R | None:
        """See `Source.get`. Reads the events of that row alone."""
        return await self._model.row(key, await self._found())

    async def _found(self) -> int:
        """The position of its moment: once found, all that is asked of it is about the same."""
        if self._position is None:
            self._position = await position_of(self._model.folding.store, self._moment)
        return self._position

    async def _folded(self) -> AbstractAsyncContextManager["Scratch[R]"]:
        model, position = self._model, await self._found()
        return model.folding.scratches.past(
            model.fold, model.table, position, await model.left_out(), self._progress
        )


class LiveRows(FoldedRows[R]):
    """The rows of a read model without a table."""

    async def get(self, key: object) -> R | None:
        """See `Source.get`. Reads the events of that row alone."""
        return await self._model.row(key)

    async def _folded(self) -> AbstractAsyncContextManager["Scratch[R]"]:
        model, head = self._model, await self._model.folding.store.head()
        left_out = await model.left_out()
        return model.folding.scratches.live(model.fold, model.table, head, left_out)


def _by_key(change: RowChange[Any]) -> Any:
    return change.key.value if isinstance(change.key, Enum) else change.key
