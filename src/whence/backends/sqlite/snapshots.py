"""Snapshots in the store's own file, written by the store's own writer."""

import sqlite3

from whence.backends.sqlite.store import SqliteStore
from whence.snapshots import Snapshot

_LOAD = "select version, position, shape, state from snapshots where stream = ? and shape = ?"

# A slow saver never replaces a later snapshot of the same shape.
_SAVE = """
insert into snapshots (stream, version, position, shape, state) values (?, ?, ?, ?, ?)
on conflict (stream) do update set
    version = excluded.version, position = excluded.position,
    shape = excluded.shape, state = excluded.state
where excluded.version > snapshots.version or excluded.shape <> snapshots.shape
"""


class SqliteSnapshots:
    """See `whence.snapshots.Snapshots`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def load(self, stream: str, shape: str) -> Snapshot | None:
        """See `Snapshots.load`."""

        def look(connection: sqlite3.Connection) -> Snapshot | None:
            row = connection.execute(_LOAD, (stream, shape)).fetchone()
            return Snapshot(*row) if row else None

        return await self._store.query(look)

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        """See `Snapshots.save`."""
        row = (stream, snapshot.version, snapshot.position, snapshot.shape, snapshot.state)
        await self._store.execute(lambda connection: connection.execute(_SAVE, row) and None)
