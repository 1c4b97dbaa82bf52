"""Everything that whence keeps in SQLite."""

from whence.backends.sqlite.snapshots import SqliteSnapshots
from whence.backends.sqlite.store import SqliteStore

__all__ = ["SqliteSnapshots", "SqliteStore"]
