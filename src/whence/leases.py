"""Which process works on which slices of a projection.

The keys of a projection are spread over slices. Processes that lead the same projections share
the slices through leases: a lease ends by itself unless it is renewed, and each change of owner
gives it a higher epoch. Who writes proves the epochs in the same transaction, so that whoever
was asleep, cut off or too slow writes nothing.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

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


@dataclass(frozen=True, slots=True)
class Lease:
    """One slice of a projection, and who works on it."""

    slice: int
    owner: str | None
    """The id of a worker; None: it is free."""
    epoch: int
    """How often it has changed hands."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What a worker does to come to its fair share of a projection."""

    share: int
    """How many slices it shall have."""
    keep: Sequence[Lease]
    take: Sequence[Lease] = ()
    give_back: Sequence[Lease] = ()


def share(name: str, slices: int, worker: str, workers: Collection[str]) -> int:
    """How many slices of the projection ``name`` are ``worker``'s, one of the live ``workers``.

    All have the same number, but for those that do not divide: these go to the workers that a
    hash of both names puts first, so that over many projections nobody has more than the others.
    """
    least, more = divmod(slices, len(workers))
    ranked = sorted(workers, key=lambda one: _rank(name, one))
    return least + (ranked.index(worker) < more)


def moves(name: str, leases: Sequence[Lease], worker: str, workers: Collection[str]) -> Moves:
    """What ``worker`` has to do for its fair share of ``leases``, all those of one projection.

    What belongs to nobody of the live ``workers`` is free. Nothing is taken from the living:
    they give back what they have too much as soon as they see that somebody has come.
    """
    fair = share(name, len(leases), worker, workers)
    own = [lease for lease in leases if lease.owner == worker]
    if len(own) >= fair:
        return Moves(fair, own[:fair], give_back=own[fair:])
    free = [lease for lease in leases if lease.owner not in workers]
    # Those who look at the same moment should reach for different ones.
    start = _rank(name, worker)[0] % max(len(free), 1)
    return Moves(fair, own, take=[*free[start:], *free[:start]][: fair - len(own)])


def spans(slices: Iterable[int]) -> str:
    """Slices as people write them: 0-3, 8, 10-11."""
    found: list[list[int]] = []
    for number in sorted(slices):
        if found and found[-1][-1] == number - 1:
            found[-1][1:] = [number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, span)) for span in found) or "none"


def _rank(name: str, worker: str) -> tuple[int, str]:
    return crc32(f"{name} {worker}".encode()), worker
