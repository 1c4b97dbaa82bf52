"""The rows of a read model in a table that follows the log."""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.failures import Misfit, telling_misfits
from whence.backends.sql.following import SqlFollower
from whence.backends.sql.tables import Loading, RowTable, table_of
from whence.envelope import Recorded
from whence.folds import Fold, Rows, Step
from whence.parking import Parking, ParkingFold
from whence.readmodels import ReadModel, ReadModelSpec
from whence.slices import Share
from whence.store import ALL, PAGE_EVENTS, Page, bare

R = TypeVar("R", bound=ReadModel)

_IN_HAND = 50_000
"""Rows that are kept in memory while a read model catches up."""


@dataclass(slots=True)
class Hand(Generic[R]):
    """Rows that need not be loaded again, while a share moves on and nobody interferes."""

    share: Share
    rows: Rows[R] = field(default_factory=dict[Any, "R | None"])
    existed: set[Any] = field(default_factory=set[Any])
    """The keys that have a row in the table."""

    def add(self, keys: Sequence[Any], found: Rows[R]) -> None:
        """The rows of ``keys`` are ``found``."""
        self.existed.update(found)
        self.rows |= dict.fromkeys(keys) | found

    def stored(self, changed: Iterable[Any]) -> None:
        """The rows of ``changed`` are in the table as they are here."""
        for key in changed:
            (self.existed.discard if self.rows[key] is None else self.existed.add)(key)


class RowFollower(SqlFollower, Generic[R]):
    """One table of rows, and how far it has come."""

    query = bare(ALL)
    at_once = 8 * PAGE_EVENTS
    """Each row is written once for so many events, if there are as many."""

    def __init__(
        self, spec: ReadModelSpec[R], name: str, database: ReadDatabase, fold: Fold[R]
    ) -> None:
        super().__init__(name, spec.shape, database, of=spec.name, attempts=spec.attempts)
        self.spec, self.fold = spec, fold
        self._hand: Hand[R] | None = None

    @cached_property
    def table(self) -> Table:
        """The table, for statements of your own."""
        return table_of(self.spec, self.name, self.name)

    @cached_property
    def rows(self) -> Loading[R]:
        """Loads and stores its rows."""
        return RowTable(self.spec, self.table, self.database.engine.dialect)

    def _concerning(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        return self.fold.concerning(events)

    async def apply(self, page: Page, share: Share) -> bool:
        """See `Follower.apply`."""
        if self._hand is not None and self._hand.share is not share:
            self._hand = None
        try:
            return await super().apply(page, share)
        except BaseException:
            self._hand = None
            raise
        finally:
            if len(page.events) < PAGE_EVENTS or (self._hand and len(self._hand.rows) > _IN_HAND):
                self._hand = None

    async def _page(
        self, events: Sequence[Recorded], share: Share, scanned: int, *, careful: bool = False
    ) -> None:
        try:
            await super()._page(events, share, scanned, careful=careful)
        except Misfit:  # trying again would not help
            await super()._page(events, share, scanned, careful=True)

    def _write(
        self, connection: Connection, events: Sequence[Recorded], parking: Parking, careful: bool
    ) -> None:
        with nullcontext() if careful else telling_misfits():
            self._keep(connection, events, parking, careful)

    def _keep(
        self, connection: Connection, events: Sequence[Recorded], parking: Parking, careful: bool
    ) -> None:
        hand, self._hand = self._hand or Hand[R](parking.share), None
        folding = ParkingFold(self.fold, parking, self.rows)
        read = folding.read_carefully if careful else folding.read
        apply = folding.apply_carefully if careful else self.fold.apply
        changed: dict[Any, int] = {}
        for start in range(0, len(events), PAGE_EVENTS):
            # Not all at once: what has been folded shall not burden the garbage collector.
            steps = read(events[start : start + PAGE_EVENTS])
            missing = [key for key in keys_of(steps) if key not in hand.rows]
            hand.add(missing, self.rows.load(connection, missing))
            changed |= apply(steps, hand.rows)
        self.rows.store(connection, hand.rows, changed, hand.existed)
        hand.stored(changed)
        self._hand = hand


def keys_of(steps: Sequence[Step]) -> list[object]:
    """The keys of the rows that are needed to fold ``steps``, each once."""
    return list({key: None for step in steps for key in step[3]})
