"""Asking read models: `Rows`, a question that is built step by step, and awaited."""

import inspect
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, get_type_hints

from whence.codec import Codec, to_json
from whence.errors import WiringError
from whence.handlers import written_at
from whence.messages import place
from whence.readmodels import ReadModel

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Table

R = TypeVar("R", bound=ReadModel)

Answers = Callable[..., Any]
"""A function, plain or async, that answers a query."""

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
    beginnings: tuple[tuple[str, str], ...] = ()
    """Columns, and how their text starts."""
    beyond: tuple[object, ...] = ()
    """Values of the ordering columns: only rows that come after them."""


@dataclass(frozen=True, slots=True)
class RowsPage(Generic[R]):
    """Some rows, and where the next ones begin."""

    rows: list[R]
    next: str | None
    """Pass it as ``cursor`` to go on; None: these were the last."""


class Source(Protocol[R]):
    """Holds the rows of one read model."""

    @property
    def key(self) -> str:
        """The column that tells the rows apart."""
        ...

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

    def starting_with(self, **beginnings: str) -> "Rows[R]":
        """Only rows whose text in these columns starts so, whatever its case: for type-ahead.

        The column must be declared with an index: ``owner: Annotated[str, Index()]``.
        """
        chosen = self._selection
        return self._with(beginnings=(*chosen.beginnings, *beginnings.items()))

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

    async def page(self, size: int = 50, cursor: str | None = None) -> "RowsPage[R]":
        """At most ``size`` rows after the page that gave ``cursor``, and the next cursor.

        Pages hold still while rows come and go: each begins after a row, not after a number.
        The columns of the order must never be None. Raises ValueError for a foreign cursor.
        """
        key = self._source.key
        order = self._selection.order
        if key not in (name.removeprefix("-") for name in order):
            order = (*order, key)
        wanted = self._with(order=order, limit=size + 1, beyond=_opened(cursor, order))
        found = await wanted.all()
        more = len(found) > size
        names = [name.removeprefix("-") for name in order]
        last = [getattr(found[size - 1], name) for name in names] if more else []
        return RowsPage(found[:size], _closed(order, last) if more else None)

    async def __aiter__(self) -> AsyncIterator[R]:
        cursor: str | None = None
        while True:
            page = await self.page(500, cursor)
            for row in page.rows:
                yield row
            if (cursor := page.next) is None:
                return

    @property
    def table(self) -> "Table":
        """The table, for conditions: ``rows.where(rows.table.c.balance > 100)``."""
        return self._source.table

    def select(self) -> "Select[Any]":
        """The same question as a statement of SQLAlchemy."""
        return self._source.select(self._selection)

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


def _closed(order: tuple[str, ...], values: list[object]) -> str:
    """A cursor: where a page ended, and in which order."""
    return urlsafe_b64encode(to_json([order, values])).decode()


def _opened(cursor: str | None, order: tuple[str, ...]) -> tuple[object, ...]:
    """The values in ``cursor``. Raises ValueError unless it was made for this order."""
    if cursor is None:
        return ()
    try:
        made_for, values = json.loads(urlsafe_b64decode(cursor))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{cursor!r} is no cursor") from error
    if tuple(made_for) != order or len(values) != len(order):
        raise ValueError(f"the cursor was made for the order {made_for}, not {list(order)}")
    return tuple(values)


class Queries:
    """Every query's one handler."""

    def __init__(self, codec: Codec, app: object) -> None:
        self._codec, self._app = codec, app
        self._handlers: dict[type, tuple[Answers, bool, str]] = {}

    def register(self, function: Answers) -> None:
        """Let ``function`` answer the query that its first parameter annotates.

        Raises `WiringError` if another one does, or if it annotates no query.
        """
        where, parameters = written_at(function), list(inspect.signature(function).parameters)
        query = get_type_hints(function).get(parameters[0]) if parameters else None
        if not isinstance(query, type) or len(parameters) > 2:
            raise WiringError(
                f"{where}: takes a query, and the application if it wants:"
                " `async def find(query: Find, app: App)`"
            )
        if query in self._handlers:
            raise WiringError(
                f"{place(query)} has two handlers, at {self._handlers[query][2]} and at {where}:"
                " a query has exactly one. Remove one"
            )
        self._codec.form(query)
        self._handlers[query] = (function, len(parameters) == 2, where)

    async def ask(self, query: object) -> Any:
        """The answer of the query's handler. Raises `WiringError` if there is none, `Invalid`."""
        found = self._handlers.get(type(query))
        if found is None:
            raise WiringError(
                f"{place(type(query))} has no handler: decorate a function with @app.answers"
            )
        function, wants_app, _ = found
        self._codec.form(type(query)).check(query)
        answer = function(query, self._app) if wants_app else function(query)
        return await answer if inspect.isawaitable(answer) else answer
