"""Is a file whole? What SQLite does not notice by itself when it opens a truncated one."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from whence.backends.sqlite.failures import damaged, read_only, translated
from whence.backends.sqlite.file import beside, real, size_of, wal_of
from whence.errors import ForeignStore, StoreError

_PATIENCE = 30
"""Seconds to wait for others that open the file at the same time."""


def check_file(path: Path) -> None:
    """What must be known before SQLite opens ``path`` for writing.

    The file is never opened here: closing it would drop all locks that SQLite holds on it for
    other handles of this process. So it is SQLite that finds out what is in it.
    """
    if path.is_dir():
        raise ForeignStore(f"{path} is a directory: give the path of a file")
    if not path.is_file():
        raise ForeignStore(f"{path} is not a file: give another path")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(real(path).parent, os.W_OK):
        raise read_only(path)
    if (names := path.stat().st_nlink) > 1:
        raise StoreError(
            f"{path} has {names} names (hard links), and SQLite would keep a log for each of them:"
            " leave it one, and give the others copies of the file"
        )
    if size_of(path) == 1:  # SQLite would take it for an empty file
        raise ForeignStore(f"{path} is not a SQLite file: give another path, or move it away")
    _check_length(path)


def _check_length(path: Path) -> None:
    """Raise `DamagedStore` if the file is shorter than it says.

    Without a log SQLite would notice. With a log the file may be short: what is missing is in
    the log, after a crash or while somebody brings it into the file. So every page is looked at,
    and nothing is changed.
    """
    logged = size_of(wal_of(path)) > 0  # looked at first: who begins a file begins its log later
    size = size_of(path)
    if beside(path, "-journal").exists():
        return  # somebody begins it
    if size == 0:
        if logged:
            raise damaged(path, "it is empty, but its log is not")
        return
    try:
        with closing(_connect(path, "immutable=1")) as connection:  # as if it had no log
            connection.execute("select count(*) from sqlite_schema").fetchone()
            page: int = connection.execute("pragma page_size").fetchone()[0]
            odd = size % page > 0
    except sqlite3.DatabaseError:
        odd = logged
    if odd and not logged:
        raise damaged(path, "its last page is not whole")
    if odd:
        _check_pages(path)


def _check_pages(path: Path) -> None:
    try:
        with closing(_connect(path, "mode=ro")) as connection:
            (first,) = connection.execute("pragma quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise translated(error, path) from error
    if first != "ok":
        raise damaged(path, first.splitlines()[-1])


def _connect(path: Path, how: str) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?{how}"
    return sqlite3.connect(name, uri=True, timeout=_PATIENCE, isolation_level=None)
