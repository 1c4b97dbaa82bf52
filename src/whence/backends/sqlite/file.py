"""The file that was opened: no other that may come to lie at its path is ever written or read."""

import contextlib
import os
import sqlite3
from pathlib import Path

from whence.errors import StoreError
from whence.forks import this_process

_PATIENCE = 30
"""Seconds that a reader waits, which it does only while somebody repairs or opens the file."""
_LONG = 67_108_864
"""Bytes. A write-ahead log that is longer is cut short as soon as the readers allow it."""

_WRITER = f"""
pragma journal_mode = wal;
pragma synchronous = full;
pragma cache_size = -65536;
pragma wal_autocheckpoint = 4000;
pragma journal_size_limit = {_LONG};
pragma busy_timeout = 0;
"""
_READER = """
pragma query_only = on;
pragma cache_size = -16384;
"""

Identity = tuple[int, int]
_in_use: set[tuple[Identity | None, int, int]] = set()
"""The files that are open, each with the process that has opened it: a fork inherits this."""


def identity(path: Path) -> Identity | None:
    """Which file lies at ``path``; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def real(path: Path) -> Path:
    """Where ``path`` leads to, if it is a link: there SQLite keeps what belongs to the file."""
    return Path(os.path.realpath(path))


def wal_of(path: Path) -> Path:
    """The write-ahead log that SQLite keeps beside ``path``."""
    return beside(path, "-wal")


def beside(path: Path, ending: str) -> Path:
    """What SQLite keeps beside ``path``, whose name ends so."""
    file = real(path)
    return file.with_name(f"{file.name}{ending}")


def size_of(path: Path) -> int:
    """In bytes; 0 if there is no such file. SQLite makes and deletes logs at any moment."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def check_fork(path: Path) -> None:
    """Raise `StoreError` in the fork of a process that has ``path`` open.

    SQLite would believe there that the locks of the other process are its own.
    """
    here, process = identity(path), this_process()
    if any(file == here and opener != process for file, opener, _ in tuple(_in_use)):
        raise forked(path)


class File:
    """A SQLite file that exists. SQLite itself would not notice if it were moved or deleted."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # the program may change its directory
        self._identity = identity(self.path)

    def opened(self) -> None:
        """It is in use here, until it is `closed`. See `check_fork`."""
        _in_use.add((self._identity, this_process(), id(self)))

    def closed(self) -> None:
        """It is no longer in use here."""
        _in_use.discard((self._identity, this_process(), id(self)))

    def check(self) -> None:
        """Raise `StoreError` unless it still is what lies at its path."""
        if identity(self.path) != self._identity:
            raise gone(self.path)

    def connect(self, *, writer: bool = False) -> sqlite3.Connection:
        """The connection that writes (it never waits by itself), or one that only reads."""
        self.check()
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",  # never make a file
            uri=True,
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


class Wal:
    """The write-ahead log that a writing connection has beside the file."""

    def __init__(self, connection: sqlite3.Connection, file: File) -> None:
        self._connection = connection
        self._path = wal_of(file.path)
        try:
            self._opened = os.open(self._path, os.O_RDONLY)  # it has no locks that closing ends
        except FileNotFoundError as error:
            raise gone(self._path) from error
        except OSError as error:
            raise StoreError(f"{self._path} cannot be opened: {error.strerror}") from error
        self._place = self._now_at()
        self._size = 0
        self._limit = _LONG

    def close(self) -> None:
        """Let go of it."""
        os.close(self._opened)

    @property
    def long(self) -> bool:
        """Whether it should be cut."""
        return self._size > self._limit

    def check(self) -> None:
        """Raise `StoreError` if it is no longer there, and look how long it is."""
        if self._now_at() != self._place:
            raise gone(self._path)
        self._size = os.lseek(self._opened, 0, os.SEEK_END)

    def _now_at(self) -> object:
        """Differs once it is moved, deleted or replaced.

        Linux can tell by the name of the open file. `os.stat` would ask for its times, too, and
        whoever does that makes the next write note a new one, which takes long.
        """
        try:
            return os.readlink(f"/proc/self/fd/{self._opened}")
        except OSError:  # another system
            return identity(self._path)

    def cut(self) -> None:
        """Bring all into the file and start anew, waiting a moment for those who still read.

        SQLite does this by itself only at a moment when nobody reads; under a load of readers
        there may be none.
        """
        self._connection.execute("pragma busy_timeout = 200")
        busy = True
        with contextlib.suppress(sqlite3.Error):  # nothing is lost: it only stays long
            (busy, _, _) = self._connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        self._connection.execute("pragma busy_timeout = 0")
        # Whoever holds a transaction open for long is not waited for again and again.
        self._limit = self._size + _LONG if busy else _LONG
        self._size = 0


def gone(path: Path) -> StoreError:
    """What to say of a file that is not there any more."""
    return StoreError(
        f"{path} was moved, deleted or replaced while it was open: put it back,"
        " or start again to go on with what is there now"
    )


def forked(path: Path) -> StoreError:
    """What to say to a process that has inherited an open file."""
    return StoreError(
        f"{path} is open in the process that this one was forked from, and no SQLite file can be"
        " used on both sides of a fork: open it after the fork only, or start processes with"
        " 'spawn' or 'forkserver'"
    )
