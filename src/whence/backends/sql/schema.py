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
    """Create the tables that are missing."""
    METADATA.create_all(connection, checkfirst=True)
