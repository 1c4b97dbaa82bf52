"""Our own tables, as far as all of them keep what they do by the names of projections."""

from sqlalchemy import Connection, Dialect

from whence.backends.sql.dialects import mark_of


class Named:
    """What one of them keeps, inside the caller's transaction."""

    def __init__(self, dialect: Dialect, table: str) -> None:
        mark = mark_of(dialect)
        self.where = f"where name = {mark}"
        """What finds all that is kept of one name."""
        self._drop = f"delete from {table} {self.where}"
        self._rename = f"update {table} set name = {mark} {self.where}"

    def drop(self, connection: Connection, name: str) -> None:
        """Forget all that is kept of ``name``."""
        connection.exec_driver_sql(self._drop, (name,))

    def rename(self, connection: Connection, name: str, new: str) -> None:
        """What was kept of ``name`` is of ``new`` from now on."""
        connection.exec_driver_sql(self._rename, (new, name))
