"""An application for `whence worker` processes: what is written twice or never can be seen."""

from collections.abc import Iterator

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table

from whence import Aggregate, App, Projection, ReadModel, command, decide, event, evolve, project


@event
class Counted:
    counter_id: str
    by: int


@command
class Count:
    counter_id: str
    by: int


class Counter(Aggregate):
    times = 0

    @decide
    def count(self, command: Count) -> Iterator[Counted]:
        yield Counted(command.counter_id, command.by)

    @evolve
    def _(self, event: Counted) -> None:
        self.times += 1


class Total(ReadModel):
    """A row for each counter."""

    counter_id: str
    total: int = 0
    times: int = 0

    @evolve
    def _(self, event: Counted) -> None:
        self.total += event.by
        self.times += 1


journal = Table(
    "journal",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("counter_id", String(50), nullable=False),
    Column("by", Integer, nullable=False),
)


class Journal(Projection, slices=8):
    """A row for each event, whether or not there is one already."""

    tables = [journal]

    @project
    def _(self, event: Counted, connection: Connection) -> None:
        connection.execute(journal.insert().values(counter_id=event.counter_id, by=event.by))


app = App("tally", Counter, Total, Journal)
