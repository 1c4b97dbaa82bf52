"""What the driver says went wrong, in our words."""

import os
import re
import resource
import shutil
import sqlite3
from pathlib import Path

import msgspec

from whence.backends.sqlite.file import beside, real, size_of, wal_of
from whence.errors import (
    DamagedStore,
    ForeignStore,
    ReadOnlyStore,
    StoreBusy,
    StoreError,
    StoreFull,
)

_OTHER_TABLES = re.compile(r"no such (table|column|index)|has no column named")
"""What SQLite says of a file that has our mark and version, and not our tables."""
_ROOM_TO_GO_ON = 1_000_000
"""Bytes. With less than this left, a failed write is put down to the lack of room."""


MISTAKES = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError, OverflowError)
"""What the driver says of values that no SQLite file could keep."""


def explained(error: Exception, path: Path) -> Exception:
    """What to raise in place of ``error``, which is its cause; others are left as they are."""
    found: Exception
    if isinstance(error, MISTAKES):
        found = ValueError(f"SQLite cannot keep this: {error}")
    elif isinstance(error, sqlite3.Error):
        found = translated(error, path)
    elif isinstance(error, msgspec.DecodeError):
        found = damaged(path, error)
    else:
        return error
    found.__cause__ = error
    return found


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """The `StoreError` for ``error``, naming the file and what to do. To be raised from it."""
    # An operational error without a code is the driver's own: what is in the file is no text.
    operational = isinstance(error, sqlite3.OperationalError)
    default = sqlite3.SQLITE_CORRUPT if operational else sqlite3.SQLITE_ERROR
    kind = getattr(error, "sqlite_errorcode", default) & 0xFF
    if kind == sqlite3.SQLITE_FULL or (kind == sqlite3.SQLITE_IOERR and _no_room(path)):
        return StoreFull(f"There is no room to write to {path}: free some, and send again")
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(
            f"Somebody else holds the write lock of {path} for too long:"
            " look for a program that left a transaction open on it"
        )
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return read_only(path)
    if kind == sqlite3.SQLITE_CANTOPEN:
        return _cannot_open(path, error)
    if kind == sqlite3.SQLITE_CORRUPT:
        return damaged(path, error)
    if kind == sqlite3.SQLITE_NOTADB:
        return ForeignStore(f"{path} is not a SQLite file: give another path, or move it away")
    if _OTHER_TABLES.search(str(error)):
        return StoreError(
            f"SQLite failed on {path}: {error}. Its tables are not those of this version of"
            " whence: run the version that made them, perhaps one that was never released, or"
            " move the file away"
        )
    return StoreError(f"SQLite failed on {path}: {error}")


def damaged(path: Path, details: object) -> DamagedStore:
    """What to say of a file that contradicts itself."""
    return DamagedStore(f"{path} is damaged: restore it from a backup ({details})")


def read_only(path: Path) -> ReadOnlyStore:
    """What to say of a file that may not be written, or a log of it that may not."""
    return ReadOnlyStore(
        f"There is no right to write to {_closed_log(path) or path}: whence must be able to"
        " write the file and its directory"
    )


def _cannot_open(path: Path, error: sqlite3.Error) -> StoreError:
    folder = real(path).parent
    if not os.path.isdir(folder):
        return StoreError(f"{folder} is not a directory: create it first")
    if _closed_log(path) or not os.access(folder, os.W_OK):
        return read_only(path)
    if lack := _no_more_files():
        return StoreError(f"{path} cannot be opened: {lack}: close some, or raise the limit")
    return StoreError(f"{path} cannot be opened, nor a file made there: {error}")


def _no_more_files() -> str | None:
    """Why this process can open none; None: it can. (Nothing that SQLite holds is opened here.)"""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.strerror
    return None


def _closed_log(path: Path) -> Path | None:
    for log in (wal_of(path), beside(path, "-shm")):
        if os.path.exists(log) and not os.access(log, os.R_OK | os.W_OK):
            return log
    return None


def _no_room(path: Path) -> bool:
    largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = max(size_of(path), size_of(wal_of(path)))
    if largest != resource.RLIM_INFINITY and size + _ROOM_TO_GO_ON > largest:
        return True
    try:
        return shutil.disk_usage(real(path).parent).free < _ROOM_TO_GO_ON
    except OSError:  # it is not even there
        return False
