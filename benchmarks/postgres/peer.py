"""The peer on PostgreSQL: the bank of `benchmarks.peer`, its PostgreSQL module as it comes."""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return,unused-ignore"
# pyright: basic, reportMissingImports=false

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import ProjectionRunner
from psycopg.sql import SQL

from benchmarks import peer
from benchmarks.harness import Work
from benchmarks.postgres import databases


def environment(url: str) -> dict[str, str]:
    """Where its data shall be."""
    parts = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
    }


@contextmanager
def running(url: str) -> Generator[peer.Bank]:
    """The bank in the database at ``url``."""
    app = peer.Bank(environment(url))
    try:
        yield app
    finally:
        app.close()


def log(work: Work, events: int, accounts: int) -> str:
    """The URL of a database with such a log."""

    def fill(url: str) -> None:
        with running(url) as app:
            peer.open_accounts(app, accounts, events // accounts)

    return databases.shared(work, f"peer-{events}-{accounts}", fill)


class Balances(PostgresTrackingRecorder, peer.BalancesView):
    """A balance and how far it has come, at once."""

    def __init__(self, datastore: Any, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements.append(
            SQL(
                "create table if not exists balance"
                " (account_id text primary key, owner text, balance bigint)"
            )
        )

    def change(self, account_id: str, owner: str, by: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "insert into balance values (%s, %s, %s) on conflict (account_id)"
                " do update set balance = balance.balance + excluded.balance",
                (account_id, owner, by),
                prepare=True,
            )

    def balance(self, account_id: str) -> int:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute("select balance from balance where account_id = %s", (account_id,))
            return cursor.fetchone()["balance"]


def catch_up(url: str, position: int) -> int:
    """Run a projection until it has reached ``position``; a balance."""
    runner = ProjectionRunner(
        application_class=peer.Bank,
        projection_class=peer.Balances,
        view_class=Balances,
        env=environment(url),
    )
    with runner:
        runner.wait(position, timeout=60)
        return runner.view.balance("ACC000000")
