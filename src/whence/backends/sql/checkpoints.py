"""How far each read model and projection has come: one row each, beside what it writes."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from whence.subscribers import Overtaken

_TABLE = Table(
    "whence_checkpoints",
    MetaData(),
    Column("name", String(200), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("shape", String(200), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("problem", Text),
)


def mark_of(dialect: Dialect) -> str:
    """How a parameter is written in plain SQL for the driver."""
    return "?" if dialect.paramstyle == "qmark" else "%s"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a projection is, and what it projects with."""

    position: int
    shape: str
    """Of the class that wrote what is there."""
    generation: int = 1
    """How often its tables were made."""
    problem: str | None = None
    """Why it stands still, if it does."""


class Checkpoints:
    """The table of checkpoints, and all that is done with it, inside the caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        mark = mark_of(dialect)
        where = f"where name = {mark}"
        self._load = f"select position, shape, generation, problem from whence_checkpoints {where}"
        self._insert = (
            "insert into whence_checkpoints (position, shape, generation, problem, name)"
            f" values ({mark}, {mark}, {mark}, {mark}, {mark})"
        )
        self._delete = f"delete from whence_checkpoints {where}"
        self._move = (
            f"update whence_checkpoints set position = {mark}, problem = null"
            f" {where} and position = {mark} and shape = {mark}"
        )
        self._note = f"update whence_checkpoints set problem = {mark} {where}"

    def create(self, connection: Connection) -> None:
        """Create the table if it is missing."""
        _TABLE.create(connection, checkfirst=True)

    def load(self, connection: Connection, name: str) -> Checkpoint | None:
        """The checkpoint called ``name``; None: there is none yet."""
        row = connection.exec_driver_sql(self._load, (name,)).one_or_none()
        return None if row is None else Checkpoint(*row)

    def put(self, connection: Connection, name: str, new: Checkpoint) -> None:
        """Set it, whatever it was."""
        self.drop(connection, name)
        values = (new.position, new.shape, new.generation, new.problem, name)
        connection.exec_driver_sql(self._insert, values)

    def drop(self, connection: Connection, name: str) -> None:
        """Forget it."""
        connection.exec_driver_sql(self._delete, (name,))

    def move(self, connection: Connection, name: str, shape: str, after: int, to: int) -> None:
        """Compare and set: raises `Overtaken` unless it stands at ``after`` with ``shape``.

        Call it first in a transaction: who else wants to move it then waits for the outcome.
        """
        moved = connection.exec_driver_sql(self._move, (to, name, after, shape))
        if moved.rowcount != 1:
            raise Overtaken(name)

    def note(self, connection: Connection, name: str, problem: str) -> None:
        """Say why it stands still, for those who look from another process."""
        connection.exec_driver_sql(self._note, (problem, name))
