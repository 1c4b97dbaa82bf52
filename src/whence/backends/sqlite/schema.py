"""Opening a file: is it ours, is it whole, and is its schema up to date?"""

import os
import sqlite3
import time
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from whence.backends.sqlite.failures import translated
from whence.errors import (
    ForeignStore,
    NewerSchema,
    ReadOnlyStore,
    StoreError,
)

APPLICATION_ID = 0x77686E63
"""Marks a SQLite file as a store of whence ("whnc")."""

_PATIENCE = 30
"""Seconds to wait for others that open the file at the same time."""

_WRITER = """
pragma journal_mode = wal;
pragma synchronous = full;
pragma cache_size = -65536;
pragma wal_autocheckpoint = 4000;
pragma journal_size_limit = 67108864;
pragma busy_timeout = 0;
"""
_READER = """
pragma query_only = on;
pragma cache_size = -16384;
"""


_HERE = "whence.backends.sqlite"


def connect(path: Path, *, writer: bool = False) -> sqlite3.Connection:
    """The connection that writes (it never waits by itself), or one that only reads."""
    connection = sqlite3.connect(
        path,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
    )
    try:
        connection.executescript(_WRITER if writer else _READER)
    except BaseException:
        connection.close()
        raise
    return connection


def migrations() -> list[str]:
    """The scripts that bring an empty file up to date, in order."""
    scripts = files(_HERE).joinpath("migrations").iterdir()
    return [s.read_text() for s in sorted(scripts, key=lambda s: s.name) if s.name[0].isdigit()]


def prepare(path: Path) -> None:
    """Create the store at ``path``, or check it and bring it up to date.

    Raises the `StoreError` that names what is wrong, and has then changed nothing.
    """
    if path.exists():
        _check_file(path)
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as connection:
            connection.execute("begin")  # one snapshot: others may be at it in this moment
            _check_owner(connection, path)
            _version(connection, path, len(migrations()))
            connection.execute("rollback")
            _use_wal(connection)
            _migrate(connection, path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN:
            raise _cannot_open(path) from error
        raise translated(error, path) from error
    except sqlite3.Error as error:
        raise translated(error, path) from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """The mode is kept in the file. When several open a new file at once, SQLite does not wait."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _check_file(path: Path) -> None:
    """What must be known before SQLite touches the file.

    The file is not opened here: closing it would drop all locks that SQLite holds on it for
    other handles of this process. So it is SQLite that finds out what is in it.
    """
    if path.is_dir():
        raise ForeignStore(f"{path} is a directory: give the path of a file")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        raise ReadOnlyStore(
            f"There is no right to write to {path}: whence must be able to write"
            " the file and its directory"
        )


def _check_owner(connection: sqlite3.Connection, path: Path) -> None:
    application: int = connection.execute("pragma application_id").fetchone()[0]
    tables: int = connection.execute("select count(*) from sqlite_schema").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise ForeignStore(
            f"{path} is a SQLite file of another application: give another path, or move it away"
        )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """All in one transaction, under the write lock: of two processes one waits, then is done."""
    scripts = migrations()
    if _version(connection, path, len(scripts)) == len(scripts):
        return
    connection.execute("begin immediate")
    try:
        for script in scripts[_version(connection, path, len(scripts)) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {len(scripts)}")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    version: int = connection.execute("pragma user_version").fetchone()[0]
    if version > newest:
        raise NewerSchema(
            f"{path} has schema version {version}, written by a later version of whence;"
            f" this one knows up to {newest}: upgrade whence"
        )
    return version


def _statements(script: str) -> list[str]:
    """One by one, since ``executescript`` would commit first."""
    statements: list[str] = []
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements


def _cannot_open(path: Path) -> StoreError:
    if not path.parent.is_dir():
        return StoreError(f"{path.parent} is not a directory: create it first")
    return ReadOnlyStore(
        f"{path} cannot be opened: whence must be able to write the file and its directory"
    )
