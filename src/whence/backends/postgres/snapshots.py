"""Snapshots in a table beside the log."""

from whence.backends.postgres.store import PostgresStore
from whence.snapshots import Snapshot

_LOAD = """
select version, position, shape, state from whence.snapshots where stream = %b and shape = %b
"""
# A slow saver never replaces a later snapshot of the same shape.
_SAVE = """
insert into whence.snapshots (stream, version, position, shape, state) values (%b, %b, %b, %b, %b)
on conflict (stream) do update set
    version = excluded.version, position = excluded.position,
    shape = excluded.shape, state = excluded.state
where excluded.version > snapshots.version or excluded.shape <> snapshots.shape
"""


class PostgresSnapshots:
    """See `whence.snapshots.Snapshots`."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def load(self, stream: str, shape: str) -> Snapshot | None:
        """See `Snapshots.load`."""
        rows = await self._store.query(_LOAD, [stream, shape])
        return Snapshot(*rows[0]) if rows else None

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        """See `Snapshots.save`."""
        row = [stream, snapshot.version, snapshot.position, snapshot.shape, snapshot.state]
        await self._store.query(_SAVE, row)
