"""Is a file whole? What SQLite does not notice by itself when it opens a truncated one."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.file import wal_of
from whence.errors import DamagedStore, ForeignStore, ReadOnlyStore


def check_file(path: Path) -> None:
    """What must be known before SQLite opens ``path`` for writing.

    The file is never opened here: closing it would drop all locks that SQLite holds on it for
    other handles of this process. So it is SQLite that finds out what is in it.
    """
    if path.is_dir():
        raise ForeignStore(f"{path} is a directory: give the path of a file")
    if not path.is_file():
        raise ForeignStore(f"{path} is not a file: give another path")
    for file in (path, *(path.with_name(f"{path.name}{end}") for end in ("-wal", "-shm"))):
        if file.exists() and not os.access(file, os.R_OK | os.W_OK):
            raise _read_only(file)
    if not os.access(path.parent, os.W_OK):
        raise _read_only(path)
    if path.stat().st_size == 1:  # SQLite would take it for an empty file
        raise ForeignStore(f"{path} is not a SQLite file: give another path, or move it away")
    if _looks_cut(path):
        _check_pages(path)


def _looks_cut(path: Path) -> bool:
    """Whether it is shorter than it says. It may be, when a crash has left all in the log."""
    if path.stat().st_size == 0:
        return _size(wal_of(path)) > 0
    if path.with_name(f"{path.name}-journal").exists():
        return False  # the beginning of a new file, which SQLite will see to
    try:
        with closing(_connect(path, "immutable=1")) as connection:  # without its log
            connection.execute("select count(*) from sqlite_schema").fetchone()
            page: int = connection.execute("pragma page_size").fetchone()[0]
    except sqlite3.DatabaseError as error:
        kind = error.sqlite_errorcode & 0xFF
        return kind == sqlite3.SQLITE_CORRUPT or _size(wal_of(path)) > 0
    return path.stat().st_size % page != 0


def _check_pages(path: Path) -> None:
    """Look at every page, with those in the log, and change nothing."""
    if not path.stat().st_size or not _size(wal_of(path)):
        raise DamagedStore(f"{path} was cut short: restore it from a backup")
    try:
        with closing(_connect(path, "mode=ro")) as connection:
            (first,) = connection.execute("pragma quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise translated(error, path) from error
    if first != "ok":
        details = first.splitlines()[-1]
        raise DamagedStore(f"{path} was cut short: restore it from a backup ({details})")


def _read_only(path: Path) -> ReadOnlyStore:
    return ReadOnlyStore(
        f"There is no right to write to {path}: whence must be able to write"
        " the file and its directory"
    )


def _connect(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
