"""What is kept about each projection: who made it, and what people want of it."""

from dataclasses import astuple, dataclass, fields
from typing import NamedTuple

from sqlalchemy import Connection, Dialect

from whence.backends.sql.columns import remark
from whence.backends.sql.dialects import mark_of, marks_of
from whence.backends.sql.naming import Named
from whence.status import Wanted


@dataclass(frozen=True, slots=True)
class Record:
    """One projection, or a table that is built beside it or was there before."""

    name: str
    shape: str
    """Of the code that made what is there."""
    generation: int
    """How often it was made."""
    slices: int
    wanted: Wanted = "running"
    target: int = 0
    """It is being made anew in place until it has come this far."""
    problem: str | None = None
    """Why it stands still, if it does."""
    problem_at: int | None = None

    @property
    def layout(self) -> str:
        """The hash of the table's columns, as in `ReadModelSpec.layout`."""
        return self.shape.partition(":")[0]


class Flags(NamedTuple):
    """What has to be known in every transaction that writes."""

    record: Record
    parked: bool
    """Whether anything is."""
    skipped: bool


class Registry(Named):
    """The table ``whence_projections``, inside the caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, "whence_projections")
        mark, where = mark_of(dialect), self.where
        columns = ", ".join(field.name for field in fields(Record))
        self._load = f"select {columns} from whence_projections {where}"
        self._insert = (
            f"insert into whence_projections ({columns})"
            f" values ({marks_of(dialect, len(fields(Record)))})"
        )
        self._want = f"update whence_projections set wanted = {mark} {where}"
        self._note = f"update whence_projections set problem = {mark}, problem_at = {mark} {where}"
        self._flags = (
            f"select {columns},"
            f" exists (select 1 from whence_dead where name = {mark}),"
            f" exists (select 1 from whence_skipped where name = {mark})"
            f" from whence_projections {where}"
        )

    def load(self, connection: Connection, name: str) -> Record | None:
        """What is kept about ``name``; None: nothing."""
        row = connection.exec_driver_sql(self._load, (name,)).one_or_none()
        return None if row is None else Record(*row)

    def put(self, connection: Connection, record: Record) -> None:
        """Keep ``record``, whatever was kept."""
        self.drop(connection, record.name)
        connection.exec_driver_sql(self._insert, astuple(record))

    def want(self, connection: Connection, name: str, wanted: Wanted) -> None:
        """Say what people want of ``name``."""
        connection.exec_driver_sql(self._want, (wanted, name))

    def note(self, connection: Connection, name: str, problem: str | None, at: int | None) -> None:
        """Say why ``name`` stands still, since when; or that it does not."""
        said = None if problem is None else remark(problem)
        connection.exec_driver_sql(self._note, (said, at, name))

    def flags(self, connection: Connection, name: str, skipped: str) -> Flags | None:
        """What whoever writes to ``name`` has to know; events are ``skipped`` under that name."""
        row = connection.exec_driver_sql(self._flags, (name, skipped, name)).one_or_none()
        return None if row is None else Flags(Record(*row[:-2]), bool(row[-2]), bool(row[-1]))
