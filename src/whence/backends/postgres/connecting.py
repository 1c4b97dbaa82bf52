"""Connections, each made ready for its work."""

from contextlib import suppress
from typing import Any

from psycopg import AsyncConnection, Error
from psycopg.conninfo import conninfo_to_dict

from whence.backends.postgres.address import Address
from whence.backends.postgres.failures import translated

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
    """
    given = conninfo_to_dict(address.url)
    chosen: dict[str, Any] = {"application_name": name, **_PATIENCE}
    chosen = {key: value for key, value in chosen.items() if key not in given}
    chosen["client_encoding"] = "utf8"  # whatever the environment says
    if not address.pooled:  # a pooler would give these settings to others
        settings = _SETTINGS if durable else f"{_SETTINGS} {_HINTS}"
        chosen["options"] = f"{settings} {given.get('options') or ''}"
    return chosen | {"autocommit": True, "prepare_threshold": None if address.pooled else 0}


async def connect(address: Address, name: str) -> Connection:
    """A connection in autocommit mode. Raises the `StoreError` that says what is wrong."""
    try:
        return await AsyncConnection.connect(address.url, **options(address, name))
    except Error as error:
        raise translated(error, address.shown) from error


async def closed(connection: Connection | None) -> None:
    """Let go of ``connection``, whatever state it is in."""
    if connection is not None:
        with suppress(Error, OSError):
            await connection.close()
