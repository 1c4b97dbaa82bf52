"""Everything that whence keeps in PostgreSQL."""

from whence.backends.postgres.snapshots import PostgresSnapshots
from whence.backends.postgres.store import PostgresStore

__all__ = ["PostgresSnapshots", "PostgresStore"]
