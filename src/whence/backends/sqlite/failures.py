"""What the driver says went wrong, in our words."""

import resource
import shutil
import sqlite3
from pathlib import Path

from whence.errors import (
    DamagedStore,
    ForeignStore,
    ReadOnlyStore,
    StoreBusy,
    StoreError,
    StoreFull,
)

_ROOM_TO_GO_ON = 1_000_000
"""Bytes. With less than this left, a failed write is put down to the lack of room."""


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """The `StoreError` for ``error``, naming the file and what to do. To be raised from it."""
    kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if kind == sqlite3.SQLITE_FULL or (kind == sqlite3.SQLITE_IOERR and _no_room(path)):
        return StoreFull(f"There is no room to write to {path}: free some, and send again")
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(
            f"Somebody else holds the write lock of {path} for too long:"
            " look for a program that left a transaction open on it"
        )
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return ReadOnlyStore(
            f"There is no right to write to {path}: whence must be able to write"
            " the file and its directory"
        )
    if kind == sqlite3.SQLITE_CORRUPT:
        return DamagedStore(f"{path} is damaged: restore it from a backup ({error})")
    if kind == sqlite3.SQLITE_NOTADB:
        return ForeignStore(f"{path} is not a SQLite file: give another path, or move it away")
    return StoreError(f"SQLite failed on {path}: {error}")


def _no_room(path: Path) -> bool:
    largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    files = [path, path.with_name(path.name + "-wal")]
    sizes = [file.stat().st_size for file in files if file.exists()]
    if largest != resource.RLIM_INFINITY and max(sizes, default=0) + _ROOM_TO_GO_ON > largest:
        return True
    return shutil.disk_usage(path.parent).free < _ROOM_TO_GO_ON
