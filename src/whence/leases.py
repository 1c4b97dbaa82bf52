"""Which process works on which slices of a projection.

The keys of a projection are spread over slices. Processes that lead the same projections share
the slices through leases: a lease ends by itself unless it is renewed, and each change of owner
gives it a higher epoch. Who writes proves the epochs in the same transaction, so that whoever
was asleep, cut off or too slow writes nothing.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sqlalchemy import Connection

Epochs = Mapping[int, int]
"""Slices, each with the epoch that its owner has to prove."""


class Ownership(Protocol):
    """Says which slices of which projections are this process's own."""

    async def join(self, name: str, slices: int) -> None:
        """Begin to take part in the projection ``name``, which has so many slices."""
        ...

    async def leave(self, name: str) -> None:
        """Take part no more: what was its own is free for others as soon as this returns."""
        ...

    async def owned(self, name: str) -> Epochs:
        """What is its own at this moment: ask before each page. Empty: others have it all."""
        ...

    async def changed(self, name: str, known: Epochs, timeout: float) -> None:
        """Return as soon as `owned` differs from ``known``, or after so many seconds."""
        ...

    def fence(self, connection: "Connection", name: str, epochs: Epochs) -> None:
        """Make sure that nobody else owns any of these slices before the transaction ends.

        To be called in the transaction that writes, from the thread that it runs in, before
        anything is written. Raises `Overtaken` if one of them has got another owner or epoch.
        """
        ...


class Everything:
    """All slices are this process's own: for databases that only one process writes to."""

    def __init__(self) -> None:
        self._owned: dict[str, Epochs] = {}

    async def join(self, name: str, slices: int) -> None:
        """See `Ownership.join`."""
        self._owned[name] = dict.fromkeys(range(slices), 0)

    async def leave(self, name: str) -> None:
        """See `Ownership.leave`."""
        self._owned.pop(name, None)

    async def owned(self, name: str) -> Epochs:
        """See `Ownership.owned`."""
        return self._owned.get(name, {})

    async def changed(self, name: str, known: Epochs, timeout: float) -> None:
        """See `Ownership.changed`."""
        if await self.owned(name) == known:
            await asyncio.sleep(timeout)

    def fence(self, connection: "Connection", name: str, epochs: Epochs) -> None:
        """See `Ownership.fence`: what is moved by compare and set needs nothing more here."""
