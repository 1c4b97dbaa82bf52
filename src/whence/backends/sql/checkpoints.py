"""How far each read model and projection has come: one row each, beside what it writes."""

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from whence.subscriptions import Overtaken


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a projection is, and what it projects with."""

    position: int
    shape: str
    """Of the class that wrote what is there."""
    generation: int = 1
    """How often its tables were made."""
    error: str | None = None
    """Why it stands still, if it does."""


class Checkpoints:
    """The table of checkpoints, and all that is done with it."""

    def __init__(self) -> None:
        self._metadata = MetaData()
        self.table = Table(
            "whence_checkpoints",
            self._metadata,
            Column("name", String(200), primary_key=True),
            Column("position", BigInteger, nullable=False),
            Column("shape", String(200), nullable=False),
            Column("generation", Integer, nullable=False),
            Column("error", Text),
        )
        columns = self.table.c
        self._load = select(columns.position, columns.shape, columns.generation, columns.error)

    def create(self, connection: Connection) -> None:
        """Create the table if it is missing."""
        self._metadata.create_all(connection)

    def load(self, connection: Connection, name: str) -> Checkpoint | None:
        """The checkpoint called ``name``; None: there is none yet."""
        row = connection.execute(self._load.where(self.table.c.name == name)).one_or_none()
        return None if row is None else Checkpoint(*row)

    def put(self, connection: Connection, name: str, checkpoint: Checkpoint) -> None:
        """Set it, whatever it was."""
        self.drop(connection, name)
        connection.execute(
            insert(self.table).values(
                name=name,
                position=checkpoint.position,
                shape=checkpoint.shape,
                generation=checkpoint.generation,
                error=checkpoint.error,
            )
        )

    def drop(self, connection: Connection, name: str) -> None:
        """Forget it."""
        connection.execute(delete(self.table).where(self.table.c.name == name))

    def move(self, connection: Connection, name: str, shape: str, after: int, to: int) -> None:
        """Compare and set: raises `Overtaken` unless it stands at ``after`` with ``shape``.

        Call it first in a transaction: who else wants to move it then waits for the outcome.
        """
        table = self.table
        moved = connection.execute(
            update(table)
            .where(table.c.name == name, table.c.position == after, table.c.shape == shape)
            .values(position=to, error=None)
        )
        if moved.rowcount != 1:
            raise Overtaken(name)

    def fail(self, connection: Connection, name: str, error: str | None) -> None:
        """Note why it stands still."""
        connection.execute(update(self.table).where(self.table.c.name == name).values(error=error))


checkpoints = Checkpoints()
