"""What the URL of a read database says to us, not to the driver: ``?pooled=yes&pool=10``."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from whence.errors import WiringError

FEWEST = 4
"""Connections: two for leases, one to read and one to write."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and how to connect to it."""

    url: URL
    """For SQLAlchemy."""
    pooled: bool = False
    """Behind a pooler in transaction mode: no prepared statements."""
    pool: int | None = None
    """At most so many connections."""

    @property
    def shown(self) -> str:
        """The URL as messages show it: without the password."""
        return self.url.difference_update_query(["password"]).render_as_string()


def address(url: str) -> Address:
    """Read a URL. Raises `WiringError` for what it cannot say."""
    try:
        made = make_url(url)
    except (SQLAlchemyError, ValueError):
        shown = url if "@" not in url else "what is given"  # which may hold a password
        raise WiringError(
            f"{shown} names no read database: write a URL, as in sqlite:///bank.read.db or"
            " postgresql://user@host:5432/bank"
        ) from None
    if made.drivername == "postgresql":
        made = made.set(drivername="postgresql+psycopg")
    if made.get_backend_name() != "postgresql":
        return Address(made)
    bare = made.difference_update_query(["pooled", "pool"])
    pooled = made.query.get("pooled") in ("yes", "true", "1")
    return Address(bare, pooled, _number(made.query.get("pool")))


def shown(url: str) -> str:
    """``url`` as messages show it: without the password."""
    return address(url).shown if "://" in url else url


def same(one: str, other: str) -> bool:
    """Whether two URLs name the same database."""
    return _place(address(one).url) == _place(address(other).url)


def _place(url: URL) -> tuple[object, ...]:
    if url.get_backend_name() != "sqlite":
        query = {name: url.query.get(name) for name in ("host", "port")}
        host, port = url.host or query["host"], url.port or query["port"] or 5432
        return url.get_backend_name(), host, str(port), url.database
    return "sqlite", Path(unquote((url.database or "").removeprefix("file:"))).absolute()


def _number(said: object) -> int | None:
    if said is None:
        return None
    if not (isinstance(said, str) and said.isdecimal() and int(said) >= FEWEST):
        raise WiringError(f"?pool={said}: say a number of connections, {FEWEST} or more")
    return int(said)
