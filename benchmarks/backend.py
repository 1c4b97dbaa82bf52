"""What a figure asks of the database that all its sides work on, so that each is written once.

`benchmarks.sqlite` and `benchmarks.postgres.backend` answer.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from benchmarks.floor import Row
from benchmarks.harness import Sample, Work

if TYPE_CHECKING:  # only `make bench` installs what it is made of
    from benchmarks.peer import Bank

Read = tuple[int, int, str, bytes]
"""An event as a fold reads it: position, version, type, payload."""
Balance = tuple[str, str, int, int]
"""A row of a read model: account, owner, balance, version."""


class Log(Protocol):
    """The floor's log: a table of events with nothing around it."""

    def append(self, rows: Sequence[Row]) -> Sample:
        """How many of ``rows`` it takes in a second."""
        ...

    def page(self, after: int, limit: int) -> Sequence[Read]:
        """The next events ``after`` a position."""
        ...

    def everything(self) -> Iterable[Read]:
        """All events, from one statement."""
        ...

    def stream(self, name: str) -> Iterable[tuple[str, bytes, bytes]]:
        """Type, payload and metadata of each event in a stream."""
        ...


class Balances(Protocol):
    """The floor's read model: the table and the index that whence's has, and a checkpoint."""

    def change(self, changes: Sequence[Balance], position: int) -> None:
        """Upsert a row for each of ``changes``, and move the checkpoint, in one transaction."""
        ...

    def load(self, rows: Iterable[Balance], position: int) -> None:
        """Write all ``rows`` at once, and move the checkpoint, in one transaction."""
        ...


class Backend(Protocol):
    """A database. Every side gets a log of its own there, with so many events of each account."""

    def store(self, work: Work, events: int, accounts: int) -> AbstractContextManager[str]:
        """The URL of whence's store."""
        ...

    def log(
        self, work: Work, events: int, accounts: int, at_once: int = 1
    ) -> AbstractContextManager[Log]:
        """The floor's log, which takes so many rows ``at_once``, as it understands that."""
        ...

    def peer(self, work: Work, events: int, accounts: int) -> AbstractContextManager["Bank"]:
        """The peer's application."""
        ...

    def empty(self, work: Work) -> AbstractContextManager[str]:
        """The name of an empty database, for `balances`."""
        ...

    def balances(self, database: str) -> AbstractContextManager[Balances]:
        """The floor's read model, new, in ``database``."""
        ...
