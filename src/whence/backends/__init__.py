"""The only place that knows a database. A backend is chosen by URL and imported when used."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from whence.errors import WiringError
from whence.health import Finding
from whence.migrations import Schema
from whence.snapshots import Snapshots
from whence.store import EventStore

if TYPE_CHECKING:
    from whence.backends.postgres import PostgresStore
    from whence.backends.sql.inlining import InlineModels
    from whence.backends.sqlite import SqliteStore


async def _nothing() -> None:
    """Nothing to open or close."""


async def _healthy() -> list[Finding]:
    """Nothing to look at."""
    return []


@dataclass(frozen=True, slots=True)
class Backend:
    """What one URL stands for."""

    url: str
    store: EventStore
    snapshots: Snapshots | None
    read_url: str
    """Where the read models are kept, unless the application says otherwise."""
    open: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing
    examine: Callable[[], Awaitable[list[Finding]]] = _healthy
    """Looks, while it is open, whether it is well; changes nothing."""
    exists: Callable[[], bool] = lambda: True
    """Whether there is anything to open: `open` would make it otherwise."""
    schema: Schema | None = None
    """Its tables, if it has any."""
    beside: "Beside | None" = None
    """How tables can change together with the log; None: they cannot."""


@dataclass(frozen=True, slots=True)
class Beside:
    """How inline read models are kept in the database of the log itself."""

    url: str
    """Of that database, for SQLAlchemy."""
    log: str
    """The name of the table of events in it."""
    keep: "Callable[[InlineModels], None]"
    """Lets whoever appends keep them, from the next opening on."""
    taken: frozenset[str] = frozenset()
    """Tables of its own, where others are: nobody else may have their names."""


def backend(url: str) -> Backend:
    """The backend that ``url`` names; nothing is opened yet. Raises `WiringError` for others."""
    scheme, separator, rest = url.partition("://")
    if scheme == "memory":
        return _memory(url)
    if scheme == "sqlite" and separator and rest.startswith("/") and len(rest) > 1:
        _check_name(url)
        return _sqlite(url, rest[1:])
    if scheme in ("postgresql", "postgres") and separator:
        return _postgres(url)
    raise WiringError(
        f"no store is called {url!r}: use memory://, sqlite:///bank.db (beside you),"
        " sqlite:////var/lib/bank.db (an absolute path) or postgresql://user@host/bank"
    )


def _check_name(url: str) -> None:
    """Raise `WiringError` for what would be one file to us, and another to SQLAlchemy, or none."""
    if "?" in url:
        raise WiringError(f"{url} holds a '?': an SQLite store has no options, only a path")
    try:
        possible = b"\0" not in os.fsencode(url)
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise WiringError(f"no file can be called as {url!r} says")


def given(store: EventStore) -> Backend:
    """A store that somebody else opens and closes, as a backend.

    Raises `WiringError` for what is none, such as a `Path`.
    """
    if not hasattr(store, "append"):
        raise WiringError(f"{store!r} is no store: write a URL, as in sqlite:///bank.db")
    return Backend("", store, None, "sqlite://")


def _memory(url: str) -> Backend:
    from whence.backends.memory import MemorySnapshots, MemoryStore

    return Backend(url, MemoryStore(), MemorySnapshots(), "sqlite://")


def _anything_at(path: Path) -> bool:
    """Whether there is a store, or something in its place; an empty file is as good as none."""
    try:
        return path.is_dir() or path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # to open it will say what is wrong


def _sqlite(url: str, path: str) -> Backend:
    from whence.backends.sqlite import SqliteSnapshots, SqliteStore
    from whence.backends.sqlite.health import examine
    from whence.backends.sqlite.upgrading import SqliteSchema

    store = SqliteStore(path)
    beside = url.removesuffix(".db") + ".read.db"
    return Backend(
        url,
        store,
        SqliteSnapshots(store),
        beside,
        store.open,
        store.close,
        partial(examine, store),
        partial(_anything_at, store.path),
        SqliteSchema(store.path),
        _in_file(store),
    )


def _in_file(store: "SqliteStore") -> Beside:
    def keep(models: "InlineModels") -> None:
        from whence.backends.sql.inlining import OnSqlite

        store.inline = OnSqlite(models)

    # A file that was moved away is missed, not made anew.
    path = quote(str(store.path.absolute()))
    url = f"sqlite:///file:{path}?mode=rw&uri=true"
    return Beside(url, "events", keep, frozenset({"events", "tags", "snapshots"}))


def _postgres(url: str) -> Backend:
    try:
        from whence.backends.postgres import PostgresSnapshots, PostgresStore
        from whence.backends.postgres.upgrading import PostgresSchema
    except ModuleNotFoundError as error:
        raise WiringError("PostgreSQL needs its driver: pip install 'whence[postgres]'") from error
    store = PostgresStore(url)
    return Backend(
        url,
        store,
        PostgresSnapshots(store),
        store.address.read_url,
        store.open,
        store.close,
        store.examine,
        store.exists,
        schema=PostgresSchema(store.address),
        beside=_in_database(store),
    )


def _in_database(store: "PostgresStore") -> Beside:
    def keep(models: "InlineModels") -> None:
        from whence.backends.sql.inlining import OnPostgres

        store.inline = OnPostgres(models)

    schema = store.address.schema
    own = frozenset({"events", "tags", "snapshots", "migrations"})
    taken = own if schema == "public" else frozenset[str]()
    return Beside(store.address.read_url, f"{schema}.events", keep, taken)
