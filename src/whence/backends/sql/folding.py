"""The rows of a read model in a table that follows the log."""

from collections.abc import Sequence
from functools import cached_property
from typing import Generic, TypeVar

from sqlalchemy import Connection, Table

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.following import SqlFollower
from whence.backends.sql.tables import RowTable, table_of
from whence.envelope import Recorded
from whence.folds import Fold, Step
from whence.parking import Parking, ParkingFold
from whence.readmodels import ReadModel, ReadModelSpec

R = TypeVar("R", bound=ReadModel)


class RowFollower(SqlFollower, Generic[R]):
    """One table of rows, and how far it has come."""

    def __init__(
        self, spec: ReadModelSpec[R], name: str, database: ReadDatabase, fold: Fold[R]
    ) -> None:
        super().__init__(name, spec.shape, database, of=spec.name, attempts=spec.attempts)
        self.spec, self.fold = spec, fold

    @cached_property
    def table(self) -> Table:
        """The table, for statements of your own."""
        return table_of(self.spec, self.name, self.name)

    @cached_property
    def rows(self) -> RowTable[R]:
        """Loads and stores its rows."""
        return RowTable(self.spec, self.table, self.database.engine.dialect)

    def _concerning(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        return self.fold.concerning(events)

    def _write(
        self, connection: Connection, events: Sequence[Recorded], parking: Parking, careful: bool
    ) -> None:
        folding = ParkingFold(self.fold, parking)
        steps = folding.read_carefully(events) if careful else folding.read(events)
        rows = self.rows.load(connection, keys_of(steps))
        existed = set(rows)
        apply = folding.apply_carefully if careful else self.fold.apply
        self.rows.store(connection, rows, apply(steps, rows), existed)


def keys_of(steps: Sequence[Step]) -> list[object]:
    """The keys of the rows that are needed to fold ``steps``, each once."""
    return list({key: None for step in steps for key in step[3]})
