"""Asking read models: `Rows`, a question that is built step by step, and awaited."""

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from whence.readmodels import ReadModel

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Table

R = TypeVar("R", bound=ReadModel)

Reached = Callable[[int, float], Awaitable[None]]
"""Waits until a read model has reached a position, so many seconds at most; else `Behind`."""


class Positioned(Protocol):
    """Knows a place in the log, as a receipt does."""

    @property
    def position(self) -> int:
        """The place."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are asked for, in which order."""

    equal: tuple[tuple[str, object], ...] = ()
    conditions: tuple["ColumnElement[bool]", ...] = ()
    order: tuple[str, ...] = ()
    limit: int | None = None
    offset: int | None = None


class Source(Protocol[R]):
    """Holds the rows of one read model."""

    @property
    def table(self) -> "Table":
        """The table that they are in, for SQLAlchemy."""
        ...

    async def get(self, key: object) -> R | None:
        """The row of ``key``; None: there is none."""
        ...

    async def fetch(self, selection: Selection) -> list[R]:
        """The rows that are asked for."""
        ...

    async def count(self, selection: Selection) -> int:
        """How many they are."""
        ...

    def select(self, selection: Selection) -> "Select[Any]":
        """The same question as a statement of SQLAlchemy."""
        ...


class Rows(Generic[R]):
    """Some rows of a read model. Each step returns a new question; ``await`` answers it."""

    def __init__(
        self,
        source: Source[R],
        reached: Reached,
        selection: Selection | None = None,
        wait: tuple[int, float] = (0, 0.0),
    ) -> None:
        self._source = source
        self._reached = reached
        self._selection = selection or Selection()
        self._wait = wait

    async def get(
        self, key: object, *, after: Positioned | int | None = None, timeout: float = 5.0
    ) -> R | None:
        """The row of ``key``, or None. ``after`` a receipt: it shows what that command did."""
        rows = self if after is None else self.after(after, timeout)
        await rows._ready()
        return await self._source.get(key)

    def after(self, seen: Positioned | int, timeout: float = 5.0) -> "Rows[R]":
        """Wait until the rows show everything up to ``seen``; raise `Behind` after ``timeout``."""
        position = seen if isinstance(seen, int) else seen.position
        return Rows(self._source, self._reached, self._selection, (position, timeout))

    def where(self, *conditions: "ColumnElement[bool]", **equal: object) -> "Rows[R]":
        """Only rows whose columns equal these values, and for which the conditions hold."""
        chosen = self._selection
        return self._with(
            equal=(*chosen.equal, *equal.items()), conditions=(*chosen.conditions, *conditions)
        )

    def order_by(self, *columns: str) -> "Rows[R]":
        """In this order; ``-name`` for the largest first."""
        return self._with(order=columns)

    def limit(self, count: int) -> "Rows[R]":
        """At most ``count`` rows."""
        return self._with(limit=count)

    def offset(self, count: int) -> "Rows[R]":
        """Without the first ``count`` rows."""
        return self._with(offset=count)

    async def all(self) -> list[R]:
        """The rows. ``await rows`` is the same."""
        await self._ready()
        return await self._source.fetch(self._selection)

    def __await__(self) -> Generator[Any, None, list[R]]:
        return self.all().__await__()

    async def first(self) -> R | None:
        """The first row, or None."""
        found = await self.limit(1).all()
        return found[0] if found else None

    async def count(self) -> int:
        """How many rows there are."""
        await self._ready()
        return await self._source.count(self._selection)

    async def _ready(self) -> None:
        position, timeout = self._wait
        if position:
            await self._reached(position, timeout)

    def _with(self, **changes: Any) -> "Rows[R]":
        return Rows(self._source, self._reached, replace(self._selection, **changes), self._wait)
