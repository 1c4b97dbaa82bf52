"""`Schema`: how a store's tables come to be, and come to be changed."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which of the numbered scripts were run. Each is run once, and they only add."""

    version: int
    """The number of the last one that was run; 0: whence was never here."""
    migrations: tuple[str, ...]
    """The names of all that this program knows, from number 1 on."""

    @property
    def pending(self) -> tuple[str, ...]:
        """What has not been run."""
        return self.migrations[self.version :]


class Schema(Protocol):
    """The tables of a store, which need not be open. `whence db` works with it."""

    async def status(self) -> SchemaStatus:
        """Look, and change nothing. Raises `NewerSchema` for one that this program cannot use."""
        ...

    async def sql(self, *, all: bool = False) -> str:
        """What `upgrade` would run, for somebody to run by hand; all or nothing of it counts.

        ``all``: for a database in which nothing is yet, without looking into this one.
        """
        ...

    async def upgrade(self) -> tuple[str, ...]:
        """Run what has not been run, and return its names. Several may try at once."""
        ...

    def roles(self, writer: str, reader: str) -> str:
        """SQL for an administrator: two roles with the rights that they need, and no more.

        Raises `WiringError` where there are no roles.
        """
        ...
