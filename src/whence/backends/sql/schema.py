"""Our own tables in a read database: what is kept about projections, beside what they write."""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
)

_NAME = String(200)
_KEY = String(520)
"""A stream's name has up to 500 characters."""

METADATA = MetaData()
Table(
    "whence_projections",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("shape", String(200), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("slices", Integer, nullable=False),
    Column("wanted", String(20), nullable=False, default="running"),
    Column("target", BigInteger, nullable=False, default=0),
    Column("problem", Text),
    Column("problem_at", BigInteger),  # microseconds since 1970
)
Table(
    "whence_checkpoints",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("slice", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
)
Table(
    "whence_dead",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("slice", Integer, primary_key=True, autoincrement=False),
    Column("row_key", _KEY, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("error", Text),
    Column("attempts", Integer, nullable=False),
    Column("parked_at", BigInteger, nullable=False),
    Column("tried_at", BigInteger, nullable=False),
)
Table(
    "whence_skipped",
    METADATA,
    Column("name", _NAME, primary_key=True),
    Column("row_key", _KEY, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("skipped_by", String(200), nullable=False),
    Column("skipped_at", BigInteger, nullable=False),
)


def create(connection: Connection) -> None:
    """Create the tables that are missing, and bring those of earlier versions up to date."""
    found = inspect(connection)
    earlier = found.has_table("whence_checkpoints") and "shape" in {
        column["name"] for column in found.get_columns("whence_checkpoints")
    }
    if earlier:
        connection.exec_driver_sql("alter table whence_checkpoints rename to whence_earlier")
    METADATA.create_all(connection, checkfirst=True)
    if earlier:
        for statement in _TAKE_OVER:
            connection.exec_driver_sql(statement)


_TAKE_OVER = (
    "insert into whence_projections"
    " (name, shape, generation, slices, wanted, target, problem, problem_at)"
    " select name, shape, generation, 1, 'running', 0, problem, null from whence_earlier",
    "insert into whence_checkpoints (name, slice, position, revision)"
    " select name, 0, position, 0 from whence_earlier",
    "drop table whence_earlier",
)
"""Until 0.1 there was one table, with one row and one position for each projection."""
