"""Asking read models: `Rows`, a question that is built step by step, and awaited."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from whence.cursors import closed, opened
from whence.errors import WiringError
from whence.readmodels import ReadModel, ReadModelSpec
from whence.temporal import Positioned, Progress, RowChange, When

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select, Table

R = TypeVar("R", bound=ReadModel)

_MOST = 2**63 - 1
"""What databases can count to."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are asked for, in which order."""

    equal: tuple[tuple[str, object], ...] = ()
    """Columns and their values; a collection of values: any of them."""
    conditions: tuple["ColumnElement[bool]", ...] = ()
    order: tuple[str, ...] = ()
    limit: int | None = None
    offset: int | None = None
    beginnings: tuple[tuple[str, str], ...] = ()
    """Columns, and how their text starts."""
    beyond: tuple[object, ...] = ()
    """Values of the ordering columns: only rows that come after them."""

    @property
    def cut(self) -> bool:
        """Whether it asks for a part of the rows by their number."""
        return self.limit is not None or self.offset is not None


@dataclass(frozen=True, slots=True)
class RowsPage(Generic[R]):
    """Some rows, and where the next ones begin."""

    rows: list[R]
    next: str | None
    """Pass it as ``cursor`` to go on; None: these were the last."""


class Source(Protocol[R]):
    """Holds the rows of one read model, as they are now or as they were."""

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


class Model(Protocol[R]):
    """One read model, with its past and its future."""

    @property
    def spec(self) -> ReadModelSpec[R]:
        """What is known of it."""
        ...

    @property
    def table(self) -> "Table":
        """The table that its rows are in, for SQLAlchemy."""
        ...

    @property
    def now(self) -> Source[R]:
        """Its rows as they are."""
        ...

    async def reached(self, position: int, timeout: float) -> None:
        """Wait until they show all up to a position, so many seconds at most; else `Behind`."""
        ...

    def as_of(self, said: When, progress: Progress | None = None) -> Source[R]:
        """Its rows as they were."""
        ...

    async def diff(
        self, selection: Selection, before: When, after: When, progress: Progress | None = None
    ) -> list[RowChange[R]]:
        """The rows that differ between two moments, by their keys."""
        ...

    def watch(self, key: object) -> AsyncGenerator[R | None]:
        """The row of ``key`` as it is, then as each event leaves it."""
        ...


class Rows(Generic[R]):
    """Some rows of a read model. Each step returns a new question; ``await`` answers it."""

    def __init__(
        self,
        model: Model[R],
        past: Source[R] | None = None,
        selection: Selection | None = None,
        wait: tuple[int, float] = (0, 0.0),
    ) -> None:
        self._model, self._past = model, past
        self._selection = selection or Selection()
        self._wait = wait

    async def get(
        self, key: object, *, after: Positioned | int | None = None, timeout: float = 5.0
    ) -> R | None:
        """The row of ``key``, or None. ``after`` a receipt: it shows what that command did.

        Raises `Invalid` for what cannot be a key.
        """
        spec = self._model.spec
        fitting = spec.fitting(spec.key, key)
        rows = self if after is None else self.after(after, timeout)
        source = await rows._ready()
        return None if fitting is None else await source.get(fitting)

    def after(self, seen: Positioned | int, timeout: float = 5.0) -> "Rows[R]":
        """Wait until the rows show everything up to ``seen``; raise `Behind` after ``timeout``."""
        position = seen if isinstance(seen, int) else seen.position
        return Rows(self._model, self._past, self._selection, (position, timeout))

    def as_of(self, moment: When, progress: Progress | None = None) -> "Rows[R]":
        """The rows as they were at a position, after a receipt, or at a time.

        They are folded from the log, up to that moment: `get` reads the events of its key alone,
        everything else the whole log, of which ``progress`` is told. Raises ValueError for text
        that is no time; when it is asked, `NotFound` for a position that the log has not reached.
        """
        past = self._model.as_of(moment, progress)
        return Rows(self._model, past, self._selection)

    async def diff(
        self, before: When, after: When, progress: Progress | None = None
    ) -> list[RowChange[R]]:
        """The rows that appeared, vanished or changed between two moments, as for `as_of`.

        Only those that are asked for: a row that `where` finds at one of the moments alone has
        appeared or vanished. They come in the order of their keys.
        """
        if self._selection.cut or self._selection.order:
            raise ValueError("a difference has its own order, and no limit or offset")
        return await self._model.diff(self._selection, before, after, progress)

    def watch(self, key: object) -> AsyncGenerator[R | None]:
        """The row of ``key``, then the row after each event that changes it: none is left out.

        None: there is no row (any more). It shows at once what the log holds, also before the
        read model has caught up. It ends when the application is closed, or with ``aclose()``.
        """
        if self._past is not None or self._selection != Selection():
            raise ValueError("one row is watched as it is now: app.read(...).watch(key)")
        spec = self._model.spec
        return self._model.watch(spec.fitting(spec.key, key))

    def where(self, *conditions: "ColumnElement[bool]", **equal: object) -> "Rows[R]":
        """Only rows whose columns equal these values, and for which the conditions hold.

        A list, tuple or set of values means any of them. Raises `WiringError` if there is no such
        column, `Invalid` for a value that no row can have.
        """
        chosen, spec = self._selection, self._model.spec
        fitting = [(name, _fitting(spec, name, value)) for name, value in equal.items()]
        return self._with(
            equal=(*chosen.equal, *fitting), conditions=(*chosen.conditions, *conditions)
        )

    def starting_with(self, **beginnings: str) -> "Rows[R]":
        """Only rows whose text in these columns starts so, whatever its case: for type-ahead.

        The column must be declared with an index: ``owner: Annotated[str, Index()]``.
        """
        chosen, spec = self._selection, self._model.spec
        for name in beginnings:
            if not spec.column(name).searchable:
                raise WiringError(
                    f"{spec.where}: {name!r} cannot be searched by how it starts: declare it as"
                    f" `{name}: Annotated[str, Index()]`"
                )
        fitting = [(name, spec.fitting(name, text)) for name, text in beginnings.items()]
        return self._with(beginnings=(*chosen.beginnings, *fitting))

    def order_by(self, *columns: str) -> "Rows[R]":
        """In this order; ``-name`` for the largest first. None comes before everything else."""
        for name in columns:
            self._model.spec.column(name.removeprefix("-"))
        return self._with(order=columns)

    def limit(self, count: int) -> "Rows[R]":
        """At most ``count`` rows."""
        return self._with(limit=_counted("limit", count, 0))

    def offset(self, count: int) -> "Rows[R]":
        """Without the first ``count`` rows."""
        return self._with(offset=_counted("offset", count, 0))

    async def all(self) -> list[R]:
        """The rows. ``await rows`` is the same."""
        source = await self._ready()
        return await source.fetch(self._selection)

    def __await__(self) -> Generator[Any, None, list[R]]:
        return self.all().__await__()

    async def first(self) -> R | None:
        """The first row, or None."""
        found = await self.limit(min(1, _or(self._selection.limit, 1))).all()
        return found[0] if found else None

    async def page(self, size: int = 50, cursor: str | None = None) -> "RowsPage[R]":
        """At most ``size`` rows after the page that gave ``cursor``, and the next cursor.

        Pages hold still while rows come and go: each begins after a row, not after a number.
        Raises ValueError for a foreign cursor.
        """
        if self._selection.cut:
            raise ValueError("pages have a size and a cursor: leave out limit and offset")
        size, spec, order = _counted("size", size, 1), self._model.spec, self._selection.order
        if spec.key not in (name.removeprefix("-") for name in order):
            order = (*order, spec.key)
        beyond = opened(cursor, order, spec)
        wanted = self._with(order=order, limit=min(size + 1, _MOST), beyond=beyond)
        found = await wanted.all()
        more = len(found) > size
        return RowsPage(found[:size], closed(order, found[size - 1]) if more else None)

    async def __aiter__(self) -> AsyncIterator[R]:
        if self._selection.cut:
            for row in await self.all():
                yield row
            return
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
        return self._model.table

    def select(self) -> "Select[Any]":
        """The same question as a statement of SQLAlchemy."""
        return (self._past or self._model.now).select(self._selection)

    async def count(self) -> int:
        """How many rows there are."""
        source = await self._ready()
        return await source.count(self._selection)

    async def _ready(self) -> Source[R]:
        """Who answers, as soon as it can."""
        if self._past is not None:
            return self._past
        position, timeout = self._wait
        if position:
            await self._model.reached(position, timeout)
        return self._model.now

    def _with(self, **changes: Any) -> "Rows[R]":
        return Rows(self._model, self._past, replace(self._selection, **changes), self._wait)


def _fitting(spec: ReadModelSpec[Any], name: str, value: object) -> object:
    several = isinstance(value, (list, tuple, set, frozenset))
    if not several or spec.column(name).scalar is None:
        return spec.fitting(name, value)
    return tuple(spec.fitting(name, one) for one in cast("Collection[object]", value))


def _counted(what: str, count: int, least: int) -> int:
    """``count`` if it is a number of rows. Raises ValueError if not."""
    if type(count) is not int or count < least:
        raise ValueError(f"{what} is a whole number from {least} on, not {count!r}")
    return min(count, _MOST)


def _or(one: int | None, other: int) -> int:
    return other if one is None else one
