"""What the driver of a read database says went wrong, in our words."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    ProgrammingError,
    SQLAlchemyError,
)

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
_STATES: dict[str, tuple[type[StoreError], str]] = {
    "25006": (ReadOnlyStore, "it takes no writes: it is a replica, or set to read only"),
    "40001": (StoreBusy, "another transaction was in the way"),
    "40P01": (StoreBusy, "two transactions waited for each other"),
    "42501": (ReadOnlyStore, "there is no right to do that"),
    "53100": (StoreFull, "there is no room to write: free some"),
    "53300": (StoreBusy, "it has too many connections"),
    "55P03": (StoreBusy, "somebody else holds a lock for too long"),
    "3D000": (StoreError, "there is no such database: create it"),
    "28P01": (StoreError, "the password is wrong"),
}
"""By the standard's SQLSTATE, as PostgreSQL and others have it."""
_MYSQL: dict[int, tuple[type[StoreError], str]] = {
    1205: (StoreBusy, "somebody else holds a lock for too long"),
    1213: (StoreBusy, "two transactions waited for each other"),
    1290: (ReadOnlyStore, "it takes no writes: it is set to read only"),
    1040: (StoreBusy, "it has too many connections"),
    1114: (StoreFull, "there is no room to write: free some"),
}
_TOO_LARGE = "54000"
"""PostgreSQL's word on a text that is too long for an index."""
_POISON = (DataError, IntegrityError)
"""What the event is to blame for that was to be written."""


def translated(
    error: SQLAlchemyError | ImportError | OverflowError, url: str
) -> StoreError | WiringError:
    """Our error for ``error``, naming the database and what to do. To be raised from it."""
    if isinstance(error, (NoSuchModuleError, ImportError)):
        return WiringError(f"no driver of SQLAlchemy reads {url!r}: {error}")
    cause = error.orig if isinstance(error, DBAPIError) else None
    kind, says = _known(cause) or (StoreError, str(cause or error).strip())
    return kind(f"the read database {url} failed: {says}")


def is_trouble(error: BaseException | None) -> bool:
    """Whether the database is to blame, not what it was asked to do: trying again may help."""
    return isinstance(error, DBAPIError) and not isinstance(error, _POISON)


class Misfit(Exception):
    """The database refuses what it is given: one of the rows or keys is perhaps to blame."""


@contextmanager
def telling_misfits() -> Generator[None]:
    """Raise `Misfit` for what may be the fault of the rows that are loaded or stored."""
    try:
        yield
    except Exception as error:
        if _is_misfit(error):
            raise Misfit from error
        raise


def _is_misfit(error: Exception) -> bool:
    if isinstance(error, (ProgrammingError, InterfaceError)):
        said = error.orig.args if error.orig is not None else ()
        number = getattr(error.orig, "sqlstate", None)
        # Without a number it was the driver, which knows no such value; with one, the server.
        return number is None and len(said) == 1 and not error.connection_invalidated
    if getattr(getattr(error, "orig", None), "sqlstate", None) == _TOO_LARGE:
        return True
    return isinstance(error, (*_POISON, TypeError, ValueError, AttributeError, OverflowError))


def _known(cause: BaseException | None) -> tuple[type[StoreError], str] | None:
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        return _SQLITE.get(code)
    state = getattr(cause, "sqlstate", None)
    if isinstance(state, str) and state in _STATES:
        return _STATES[state]
    number = cause.args[0] if cause is not None and cause.args else None
    return _MYSQL.get(number) if isinstance(number, int) else None
