"""Counters: a small domain whose read model can be made to fail, and what is needed to look at it.

The rows that come out are compared with a fresh fold of the log in memory, which knows nothing of
tables, checkpoints, slices and rebuilds.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, select, update

from whence import Aggregate, App, Projection, ReadModel, event, evolve, project
from whence.envelope import NewEvent

from ..applications import append as append
from ..applications import caught_up as caught_up
from ..applications import folded, new
from ..applications import status as status
from ..applications import subscription as subscription
from ..applications import until as until


@event
class Counted:
    counter_id: str
    by: int


@event
class Shared:
    """Counts for several counters at once."""

    counters: list[str]
    by: int


@event
class Closed:
    counter_id: str


class Counter(Aggregate):
    @evolve
    def _(self, event: Counted | Closed) -> None: ...


class Total(ReadModel, revision=1, attempts=0):
    """The honest one."""

    counter_id: str
    total: int = 0
    events: int = 0

    @evolve
    def _(self, event: Counted) -> None:
        self.total += event.by
        self.events += 1

    @evolve(key="counters")
    def _(self, event: Shared) -> None:
        self.total += event.by
        self.events += 1

    @evolve
    def _(self, event: Closed) -> None:
        self.delete()


def failing(*numbers: int, attempts: int = 0) -> type[ReadModel]:
    """The same with a mistake: it fails on these numbers. For whence it is the same code."""

    class Failing(Total, name="total", revision=1, attempts=attempts):
        @evolve
        def _(self, event: Counted) -> None:
            if event.by in numbers:
                raise ValueError(f"{event.by} brings bad luck")
            self.total += event.by
            self.events += 1

    return Failing


def counters(
    read_url: str,
    model: type[ReadModel] | type[Projection] = Total,
    *,
    store: Any = "memory://",
    **options: Any,
) -> App:
    return App("counters", Counter, model, store=store, read=read_url, **options)


async def filled(read_url: str, store: str) -> None:
    """There are some rows, and nobody follows the log any more."""
    async with counters(read_url, store=store) as app:
        await append(app, *many(20, 3))
        await caught_up(app)


def counted(counter: str, by: int, stream: str | None = None) -> NewEvent:
    data = {"counter_id": counter, "by": by}
    return new("Counted", stream or f"counter-{counter}", data)


def shared(*counters: str, by: int) -> NewEvent:
    return new("Shared", "sharing-1", {"counters": counters, "by": by})


def closed(counter: str) -> NewEvent:
    return new("Closed", f"counter-{counter}", {"counter_id": counter})


def unreadable(counter: str) -> NewEvent:
    return new("Counted", f"counter-{counter}", {"counter_id": counter, "by": "much"})


Row = tuple[Any, ...]


async def rows(app: App) -> dict[str, Row]:
    """What is in the table: total, events and version by key."""
    table = app.read(app.wiring.models[0]).table
    columns = [column for column in table.columns if column.name != "whence_position"]
    found = await app.running.reads.database.read(lambda c: c.execute(select(*columns)).all())
    return {row[0]: tuple(row[1:]) for row in found}


async def fresh(
    app: App, *, of: type[ReadModel] | None = None, without: Collection[int] = ()
) -> dict[str, Row]:
    """What an honest fold of the log in memory makes of it, ``without`` the events there."""
    spec = replace((of or Total).__model__, follows=frozenset({"counter"}))
    made = await folded(app, spec, without)
    return {key: (row.total, row.events, row.version) for key, row in made.items()}


def many(count: int, of: int, start: int = 0) -> Iterable[NewEvent]:
    """``count`` events of ``of`` counters, each in turn."""
    return (counted(f"C{n % of}", n) for n in range(start, start + count))


class Shrunk(Total, name="total", revision=2, attempts=0):
    """Another fold of the same columns."""

    @evolve
    def _(self, event: Counted) -> None:
        self.total -= event.by
        self.events += 1


METADATA = MetaData()
sums = Table(
    "sums",
    METADATA,
    Column("counter", String(50), primary_key=True),
    Column("sum", Integer, nullable=False),
)


class Sums(Projection, slices=4, attempts=0):
    """The same sums with SQL."""

    metadata = METADATA

    @project
    def _(self, event: Counted, connection: Connection) -> None:
        mine = sums.c.counter == event.counter_id
        changed = connection.execute(update(sums).where(mine).values(sum=sums.c.sum + event.by))
        if changed.rowcount == 0:
            connection.execute(sums.insert().values(counter=event.counter_id, sum=event.by))


log = Table(
    "log",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("counter", String(50), nullable=False),
    Column("by", Integer, unique=True),
)


class Log(Projection, attempts=0, slices=3):
    """A row for each event, until the counter is closed; 13 fails as long as it is broken."""

    tables = [log]
    broken = True

    @project
    def _(self, event: Counted, connection: Connection) -> None:
        connection.execute(log.insert().values(counter=event.counter_id, by=event.by))
        if event.by == 13 and self.broken:
            raise ValueError("bad luck")

    @project
    def _(self, event: Closed, connection: Connection) -> None:
        connection.execute(log.delete().where(log.c.counter == event.counter_id))


MODELS: dict[str, type[ReadModel] | type[Projection]] = {
    "total": Total,
    "failing": failing(13),
    "shrunk": Shrunk,
    "sums": Sums,
}
"""What another process may ask for by name."""
