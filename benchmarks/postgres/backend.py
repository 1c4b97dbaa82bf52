"""The sides on PostgreSQL: databases on the server of the work. See `benchmarks.backend`."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from benchmarks.harness import Work
from benchmarks.postgres import databases, floor

if TYPE_CHECKING:
    from benchmarks.peer import Bank


class Postgres:
    """See `benchmarks.backend.Backend`."""

    def store(self, work: Work, events: int, accounts: int) -> AbstractContextManager[str]:
        return databases.database(work, databases.log(work, events, accounts))

    @contextmanager
    def log(
        self, work: Work, events: int, accounts: int, at_once: int = 1
    ) -> Generator[floor.Log]:
        with (
            databases.database(work, floor.filled(work, events, accounts)) as url,
            floor.log(url, work.of(at_once, min(at_once, 2))) as log,
        ):
            yield log

    @contextmanager
    def peer(self, work: Work, events: int, accounts: int) -> Generator["Bank"]:
        from benchmarks.postgres import peer

        log = peer.log(work, events, accounts)
        with databases.database(work, log) as url, peer.running(url) as app:
            yield app

    def empty(self, work: Work) -> AbstractContextManager[str]:
        return databases.database(work)

    def balances(self, database: str) -> AbstractContextManager[floor.Balances]:
        return floor.balances(database)


POSTGRES = Postgres()
