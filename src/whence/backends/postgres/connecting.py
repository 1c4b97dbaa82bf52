"""Connections, each made ready for its work."""

import asyncio
from contextlib import suppress
from typing import Any

from psycopg import AsyncConnection, Error, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus

from whence.backends.postgres.address import Address
from whence.backends.postgres.failures import translated
from whence.errors import WiringError

Row = tuple[Any, ...]
Connection = AsyncConnection[Row]

_SETTINGS = (
    "-c jit=off -c statement_timeout=60s -c idle_session_timeout=0"
    " -c default_transaction_isolation=read\\ committed"
)
_HINTS = "-c synchronous_commit=off"
_PATIENCE = {
    "connect_timeout": "10",
    # a network that swallows everything is noticed in seconds, not in hours
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


def options(address: Address, name: str, *, durable: bool = True) -> dict[str, Any]:
    """What to tell the driver. What the URL says itself goes first.

    What need not be ``durable`` does not wait for the disk: notifications, and snapshots.
    Raises `WiringError` if the URL cannot be read.
    """
    given = _given(address)
    chosen: dict[str, Any] = {"application_name": name, **_PATIENCE}
    chosen = {key: value for key, value in chosen.items() if key not in given}
    chosen["client_encoding"] = "utf8"  # whatever the environment says
    if not address.pooled:  # a pooler would give these settings to others
        settings = _SETTINGS if durable else f"{_SETTINGS} {_HINTS}"
        chosen["options"] = f"{settings} {given.get('options') or ''}"
    return chosen | {"autocommit": True, "prepare_threshold": None if address.pooled else 0}


def _given(address: Address) -> dict[str, Any]:
    try:
        return conninfo_to_dict(address.url)
    except ProgrammingError as error:
        said = str(error).strip()
        if not said.startswith("invalid URI query parameter"):  # which may quote the password
            said = (
                "it is no URL (in names and passwords, write % as %25, a space as %20, @ as %40)"
            )
        raise WiringError(f"{address.shown}: {said}") from None


async def connect(address: Address, name: str, *, durable: bool = True) -> Connection:
    """A connection in autocommit mode. Raises the `StoreError` that says what is wrong."""
    chosen = options(address, name, durable=durable)
    connecting = asyncio.ensure_future(AsyncConnection.connect(address.url, **chosen))
    try:
        return await asyncio.shield(connecting)
    except Error as error:
        raise translated(error, address.shown) from error
    except asyncio.CancelledError:
        # Whoever leaves in the middle of saying who he is keeps the server waiting for a minute,
        # and with it all who create or drop a database.
        with suppress(Error):
            await closed(await connecting)
        raise


async def closed(connection: Connection | None) -> None:
    """Let go of ``connection``, whatever state it is in."""
    if connection is not None:
        with suppress(Error, OSError):
            await connection.close()


def lost(connection: Connection) -> bool:
    """Whether the server has hung up while nobody used it: it is better to know before."""
    if connection.closed:
        return True
    try:
        connection.pgconn.consume_input()  # its last words
        connection.pgconn.consume_input()  # and its end
    except Error:
        return True
    return connection.pgconn.status != ConnStatus.OK
