"""Is the file well: whole, durable, of the right schema, and with room to grow?"""

import shutil
import sqlite3

from whence.backends.sqlite.file import real, size_of, wal_of
from whence.backends.sqlite.schema import migrations
from whence.backends.sqlite.store import SqliteStore
from whence.errors import StoreError
from whence.health import Finding

_ROOM = 100_000_000
"""Bytes. With less than this left, the disk will soon be full."""


async def examine(store: SqliteStore) -> list[Finding]:
    """Look at the open ``store``; nothing is changed."""
    found = [_room(store)]
    for name, look, run in (
        ("schema", _schema, store.query),
        ("integrity", _integrity, store.query),
        ("durability", _durability, store.execute),
    ):
        try:
            found.append(await run(look))
        except (sqlite3.Error, StoreError) as error:
            found.append(Finding(name, "problem", str(error), "restore the file from a backup"))
    return found


def _room(store: SqliteStore) -> Finding:
    free = shutil.disk_usage(real(store.path).parent).free
    size = size_of(store.path) + size_of(wal_of(store.path))
    says = f"{size / 1e6:,.1f} MB in the file, {free / 1e6:,.0f} MB free on its disk"
    if free < _ROOM:
        return Finding("room", "problem", says, "free some room, or move the file")
    return Finding("room", "fine", says)


def _schema(connection: sqlite3.Connection) -> Finding:
    version, newest = _pragma(connection, "user_version"), len(migrations())
    says = f"version {version} of {newest}; SQLite {sqlite3.sqlite_version}"
    return Finding("schema", "fine", says)


def _integrity(connection: sqlite3.Connection) -> Finding:
    wrong = [row[0] for row in connection.execute("pragma quick_check(5)")]
    if wrong == ["ok"]:
        return Finding("integrity", "fine", "every page of the file is sound")
    return Finding("integrity", "problem", "; ".join(wrong), "restore the file from a backup")


def _durability(connection: sqlite3.Connection) -> Finding:
    journal, synchronous = _pragma(connection, "journal_mode"), _pragma(connection, "synchronous")
    says = f"journal_mode={journal}, synchronous={synchronous}"
    if journal != "wal" or synchronous not in (2, 3):
        remedy = "put the file on a disk of this machine: not every network disk can do WAL"
        return Finding("durability", "problem", f"{says}: acknowledged is not durable", remedy)
    return Finding("durability", "fine", f"{says}: what is acknowledged is on the disk")


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    value: object = connection.execute(f"pragma {name}").fetchone()[0]
    return value
