"""The events that wait for somebody to look at them, and those that somebody has left out."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, Dialect

from whence.backends.sql.columns import remark
from whence.backends.sql.dialects import mark_of, marks_of
from whence.backends.sql.naming import Named
from whence.folds import NOTHING, Skipped
from whence.parking import Parked


@dataclass(frozen=True, slots=True)
class Letter:
    """One event that waits, as it is kept."""

    slice: int
    key: str
    position: int
    error: str | None
    attempts: int
    parked_at: int
    tried_at: int


class Dead(Named):
    """The tables ``whence_dead`` and ``whence_skipped``, inside the caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__(dialect, "whence_dead")
        mark, where = mark_of(dialect), self.where
        columns = "slice, row_key, position, error, attempts, parked_at, tried_at"
        self._held = f"select distinct slice, row_key from whence_dead {where}"
        self._keys = f"select count(distinct row_key) from whence_dead {where}"
        self._load = f"select {columns} from whence_dead {where}"
        self._order = " order by position, slice"
        self._of_key = f" and row_key = {mark}"
        self._insert = f"insert into whence_dead (name, {columns}) values ({marks_of(dialect, 8)})"
        self._delete = (
            f"delete from whence_dead {where} and slice = {mark} and row_key = {mark}"
            f" and position = {mark}"
        )
        self._drop_after = f"delete from whence_dead {where} and position > {mark}"
        self._skipped = f"select row_key, position from whence_skipped {where}"
        self._skip = (
            "insert into whence_skipped (name, row_key, position, reason, skipped_by, skipped_at)"
            f" values ({marks_of(dialect, 6)})"
        )
        self._skips = (
            f"select row_key, position, reason, skipped_by, skipped_at from whence_skipped {where}"
            " order by position, row_key"
        )

    def held(self, connection: Connection, name: str) -> list[tuple[int, str]]:
        """What is parked: slices and keys."""
        return [(row[0], row[1]) for row in connection.exec_driver_sql(self._held, (name,))]

    def count(self, connection: Connection, name: str) -> int:
        """How many keys are parked."""
        return int(connection.exec_driver_sql(self._keys, (name,)).scalar_one())

    def load(self, connection: Connection, name: str, key: str | None = None) -> list[Letter]:
        """The events that wait, of ``key`` or of all, in the order of the log."""
        if key is None:
            rows = connection.exec_driver_sql(self._load + self._order, (name,))
        else:
            rows = connection.exec_driver_sql(self._load + self._of_key + self._order, (name, key))
        return [Letter(*row) for row in rows]

    def add(
        self,
        connection: Connection,
        name: str,
        parked: Iterable[Parked],
        now: int,
        before: Iterable[Letter] = (),
    ) -> None:
        """Park events; of those that were parked ``before``, go on counting."""
        known = {(one.slice, one.key, one.position): one for one in before}
        for one in dict.fromkeys(parked):
            letter = known.get((one.slice, one.key, one.position))
            attempts = (letter.attempts if letter else 0) + (one.error is not None)
            since = letter.parked_at if letter else now
            error = None if one.error is None else remark(one.error)
            values = (name, one.slice, one.key, one.position, error, attempts, since, now)
            connection.exec_driver_sql(self._insert, values)

    def remove(self, connection: Connection, name: str, letters: Iterable[Letter]) -> None:
        """They wait no more."""
        for one in letters:
            values = (name, one.slice, one.key, one.position)
            connection.exec_driver_sql(self._delete, values)

    def drop_after(self, connection: Connection, name: str, position: int) -> None:
        """Forget what waits after ``position``: it will come again."""
        connection.exec_driver_sql(self._drop_after, (name, position))

    def skipped(self, connection: Connection, name: str) -> Skipped:
        """The events of ``name`` that are left out: keys and positions."""
        rows = connection.exec_driver_sql(self._skipped, (name,))
        return frozenset((row[0], row[1]) for row in rows) or NOTHING

    def skip(
        self, connection: Connection, name: str, letter: Letter, reason: str, by: str, now: int
    ) -> None:
        """Leave an event out from now on, in every fold, and keep who wanted that, and why."""
        values = (name, letter.key, letter.position, remark(reason), remark(by), now)
        connection.exec_driver_sql(self._skip, values)

    def skips(self, connection: Connection, name: str) -> list[tuple[str, int, str, str, int]]:
        """All that was left out: key, position, reason, by whom and when."""
        rows = connection.exec_driver_sql(self._skips, (name,))
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]
