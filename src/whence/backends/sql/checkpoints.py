"""How far each projection has come, slice by slice, beside what it writes."""

from collections.abc import Collection

from sqlalchemy import Connection, Dialect

from whence.backends.sql.dialects import is_sqlite, mark_of, marks_of
from whence.slices import Mark, Share
from whence.subscribers import Overtaken


class Checkpoints:
    """The table ``whence_checkpoints``, inside the caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        mark = mark_of(dialect)
        where = f"where name = {mark}"
        self._load = f"select slice, position, revision from whence_checkpoints {where}"
        locked = "" if is_sqlite(dialect) else " for update"
        self._hold = f"{self._load} order by slice{locked}"
        self._insert = (
            "insert into whence_checkpoints (name, slice, position, revision)"
            f" values ({marks_of(dialect, 4)})"
        )
        self._delete = f"delete from whence_checkpoints {where}"
        self._rename = f"update whence_checkpoints set name = {mark}, revision = {mark} {where}"
        self._move = (
            f"update whence_checkpoints set position = {mark}"
            f" {where} and position = {mark} and revision = {mark}"
        )
        self._touch = f"update whence_checkpoints set revision = revision + 1 {where}"
        self._reset = (
            "update whence_checkpoints set revision = revision + 1,"
            f" position = case when position > {mark} then {mark} else position end {where}"
        )

    def load(self, connection: Connection, name: str) -> dict[int, Mark]:
        """How far each slice of ``name`` has come."""
        rows = connection.exec_driver_sql(self._load, (name,))
        return {number: Mark(position, revision) for number, position, revision in rows}

    def hold(self, connection: Connection, name: str) -> dict[int, Mark]:
        """The same, and nobody moves them before the end of the transaction."""
        rows = connection.exec_driver_sql(self._hold, (name,))
        return {number: Mark(position, revision) for number, position, revision in rows}

    def create(self, connection: Connection, name: str, slices: int, revision: int) -> None:
        """Let ``name`` begin, with so many slices at the beginning of the log."""
        self.drop(connection, name)
        for number in range(slices):
            connection.exec_driver_sql(self._insert, (name, number, 0, revision))

    def drop(self, connection: Connection, name: str) -> None:
        """Forget ``name``."""
        connection.exec_driver_sql(self._delete, (name,))

    def rename(self, connection: Connection, name: str, new: str, revision: int) -> None:
        """What was kept of ``name`` is of ``new`` from now on."""
        connection.exec_driver_sql(self._rename, (new, revision, name))

    def move(self, connection: Connection, name: str, share: Share, to: int) -> None:
        """Compare and set: raises `Overtaken` unless every slice is where ``share`` has it.

        Call it first in a transaction: who else wants to move them then waits for the outcome.
        """
        for mark, numbers in share.behind(to).items():
            values = (to, name, mark.position, mark.revision)
            if len(numbers) == share.slices:
                moved = connection.exec_driver_sql(self._move, values)
            else:
                some = self._some(self._move, len(numbers))
                moved = connection.exec_driver_sql(some, (*values, *numbers))
            if moved.rowcount != len(numbers):
                raise Overtaken(name)

    def touch(
        self, connection: Connection, name: str, numbers: Collection[int]
    ) -> dict[int, Mark]:
        """Say that the rows of these slices are changed by somebody who does not follow the log.

        They stand still until the end of the transaction. Where they all are.
        """
        connection.exec_driver_sql(self._some(self._touch, len(numbers)), (name, *numbers))
        return self.load(connection, name)

    def touch_all(self, connection: Connection, name: str) -> dict[int, Mark]:
        """The same for every slice."""
        connection.exec_driver_sql(self._touch, (name,))
        return self.load(connection, name)

    def go_back(self, connection: Connection, name: str, position: int) -> None:
        """What is after ``position`` is handled once more."""
        connection.exec_driver_sql(self._reset, (position, position, name))

    def _some(self, statement: str, count: int) -> str:
        return f"{statement} and slice in ({marks_of(self._dialect, count)})"
