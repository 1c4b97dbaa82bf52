"""Opening a file: is it ours, is it whole, and is its schema up to date?"""

import os
import sqlite3
import time
from contextlib import closing
from functools import cache
from importlib.resources import files
from pathlib import Path

from whence.backends.sqlite.failures import translated
from whence.backends.sqlite.file import File, check_fork
from whence.backends.sqlite.soundness import check_file
from whence.errors import (
    ForeignStore,
    NewerSchema,
    StoreError,
)

APPLICATION_ID = 0x77686E63
"""Marks a SQLite file as a store of whence ("whnc")."""

_PATIENCE = 30
"""Seconds to wait for others that open the file at the same time."""

_HERE = "whence.backends.sqlite"


@cache
def migrations() -> list[str]:
    """The scripts that bring an empty file up to date, in order."""
    scripts = files(_HERE).joinpath("migrations").iterdir()
    return [s.read_text() for s in sorted(scripts, key=lambda s: s.name) if s.name[0].isdigit()]


def prepare(path: Path) -> File:
    """Create the store at ``path``, or check it and bring it up to date.

    Raises the `StoreError` that names what is wrong, and has then changed nothing.
    """
    if os.path.exists(path):
        check_fork(path)
        check_file(path)
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as connection:
            connection.execute("begin")  # one snapshot: others may be at it in this moment
            check_owner(connection, path)
            check_version(connection, path)
            connection.execute("rollback")
            _use_wal(connection, path)
            _migrate(connection, path)
            return File(path)
    except sqlite3.Error as error:
        raise translated(error, path) from error


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    """The mode is kept in the file. When several open a new file at once, SQLite does not wait."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            (mode,) = connection.execute("pragma journal_mode = wal").fetchone()
            if mode != "wal":
                raise StoreError(
                    f"{path} cannot have a write-ahead log, without which nothing is durable:"
                    " put it on a disk of this machine"
                )
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > until:
                raise
            time.sleep(0.01)


def check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `ForeignStore` unless the file is ours, or empty."""
    application: int = connection.execute("pragma application_id").fetchone()[0]
    tables: int = connection.execute("select count(*) from sqlite_schema").fetchone()[0]
    version: int = connection.execute("pragma user_version").fetchone()[0]
    if application != APPLICATION_ID and (application or tables or version):
        raise ForeignStore(
            f"{path} is a SQLite file of another application: give another path, or move it away"
        )


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """All in one transaction, under the write lock: of two processes one waits, then is done."""
    scripts = migrations()
    if check_version(connection, path) == len(scripts):
        return
    connection.execute("begin immediate")
    try:
        for script in scripts[check_version(connection, path) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
        connection.execute(f"pragma user_version = {len(scripts)}")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Of the schema. Raises `NewerSchema` if it is not known here."""
    version: int = connection.execute("pragma user_version").fetchone()[0]
    if version > (newest := len(migrations())):
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
