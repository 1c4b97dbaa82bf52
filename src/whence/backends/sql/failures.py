"""What the driver of a read database says went wrong, in our words."""

import sqlite3

from sqlalchemy.exc import DBAPIError, NoSuchModuleError, SQLAlchemyError

from whence.errors import (
    DamagedStore,
    ReadOnlyStore,
    StoreBusy,
    StoreError,
    StoreFull,
    WiringError,
)

_SQLITE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (StoreFull, "there is no room to write: free some"),
    sqlite3.SQLITE_BUSY: (StoreBusy, "somebody else holds its write lock for too long"),
    sqlite3.SQLITE_LOCKED: (StoreBusy, "somebody else holds its write lock for too long"),
    sqlite3.SQLITE_READONLY: (ReadOnlyStore, "there is no right to write to it"),
    sqlite3.SQLITE_PERM: (ReadOnlyStore, "there is no right to write to it"),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "it cannot be opened: is its folder there?"),
    sqlite3.SQLITE_CORRUPT: (DamagedStore, "it is damaged: delete it, and it is built again"),
    sqlite3.SQLITE_NOTADB: (DamagedStore, "it is no SQLite file: delete or move it"),
}


def translated(error: SQLAlchemyError, url: str) -> StoreError | WiringError:
    """Our error for ``error``, naming the database and what to do. To be raised from it."""
    if isinstance(error, NoSuchModuleError):
        return WiringError(f"no driver of SQLAlchemy reads {url!r}: {error}")
    cause = error.orig if isinstance(error, DBAPIError) else None
    kind, says = StoreError, str(cause or error)
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        kind, says = _SQLITE.get(code, (kind, says))
    return kind(f"the read database {url} failed: {says}")
