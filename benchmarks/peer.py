"""The peer: the same bank on eventsourcing 9.5, used the way its documentation says.

On SQLite with its defaults, which are WAL and ``synchronous=FULL``: the same durability.
It is installed for `make bench` only, so type checkers may not see it.
"""
# mypy: disable-error-code="import-not-found,misc,untyped-decorator,no-any-return,unused-ignore"
# pyright: basic, reportMissingImports=false

import shutil
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import InfrastructureFactory, Tracking, TrackingRecorder
from eventsourcing.popo import POPOTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.utils import Environment

from benchmarks import bank
from benchmarks.harness import Sample, Stopwatch, Work

THREADS = 8
_FILE = "peer.db"


class Account(Aggregate):
    @event("Opened")
    def __init__(self, account_id: str, owner: str) -> None:
        self.account_id = account_id
        self.owner = owner
        self.balance = 0

    @staticmethod
    def create_id(account_id: str, owner: str = "") -> UUID:
        return uuid5(NAMESPACE_URL, f"/accounts/{account_id}")

    @event("Deposited")
    def deposit(
        self, account_id: str, amount: int, currency: str, reference: str, note: str
    ) -> None:
        self.balance += amount


class Bank(Application):
    def open(self, account_id: str, owner: str) -> None:
        self.save(Account(account_id, owner))

    def deposit(self, account_id: str, *what: Any) -> int:
        """Load, decide, save; the position of the event."""
        account = self.account(account_id)
        account.deposit(account_id, *what)
        return self.save(account)[-1].notification.id

    def account(self, account_id: str) -> Account:
        return self.repository.get(Account.create_id(account_id))


@contextmanager
def running(folder: Path) -> Generator[Bank]:
    """The bank on a SQLite file in ``folder``."""
    path = str(folder / _FILE)
    app = Bank({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": path})
    try:
        yield app
    finally:
        app.close()


def copy_of_log(work: Work, events: int, accounts: int) -> None:
    """Put a log of so many events where `running` looks for it; all figures of a run share it."""
    path = work.shared / f"peer-{events}-{accounts}"
    if not path.exists():
        path.mkdir()
        with running(path) as app:
            open_accounts(app, accounts, events // accounts)
    shutil.copy(path / _FILE, work.folder)


def open_accounts(app: Bank, count: int, events: int) -> None:
    """Give each of ``count`` accounts a history of ``events`` events, a hundred in each save."""
    for start in range(0, count, 100):
        accounts: list[Account] = []
        for number in range(start, min(start + 100, count)):
            account = Account(bank.account(number), bank.owner(number))
            for turn in range(1, events):
                account.deposit(*bank.deposit(turn * count + number, count))
            accounts.append(account)
        app.save(*accounts)


def send(app: Bank, commands: Sequence[Any], threads: int) -> Sample:
    """How many deposits it answers in a second, in so many threads, each with its accounts."""
    shares = [commands[place::threads] for place in range(threads)]

    def work(share: Sequence[Any]) -> None:
        for what in share:
            app.deposit(*what)

    with ThreadPoolExecutor(threads) as pool, Stopwatch() as watch:
        for done in [pool.submit(work, share) for share in shares]:
            done.result()
    return watch.rate(len(commands))


def log(app: Bank) -> Iterator[Any]:
    """Every event that the bank has recorded, as its own subscriptions read them."""
    position = 0
    while page := app.recorder.select_notifications(
        start=position, limit=500, inclusive_of_start=False
    ):
        for notification in page:
            yield app.mapper.to_domain_event(notification)
        position = page[-1].id


class BalancesView(TrackingRecorder):
    """What a projection of the peer writes: a balance and how far it has come, at once."""

    @abstractmethod
    def change(self, account_id: str, owner: str, by: int, tracking: Tracking) -> None:
        """Add to the balance of an account, and note how far the projection has come."""

    @abstractmethod
    def balance(self, account_id: str) -> int:
        """What is in an account."""


class SqliteBalances(SQLiteTrackingRecorder, BalancesView):
    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            "create table if not exists balance"
            " (account_id text primary key, owner text, balance integer)",
        ]

    def change(self, account_id: str, owner: str, by: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "insert into balance values (?, ?, ?) on conflict (account_id)"
                " do update set balance = balance + excluded.balance",
                (account_id, owner, by),
            )

    def balance(self, account_id: str) -> int:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute("select balance from balance where account_id = ?", (account_id,))
            return cursor.fetchone()[0]


class MemoryBalances(POPOTrackingRecorder, BalancesView):
    def __init__(self) -> None:
        super().__init__()
        self._balances: dict[str, int] = {}

    def change(self, account_id: str, owner: str, by: int, tracking: Tracking) -> None:
        with self._database_lock:
            self._assert_tracking_uniqueness(tracking)
            self._insert_tracking(tracking)
            self._balances[account_id] = self._balances.get(account_id, 0) + by

    def balance(self, account_id: str) -> int:
        with self._database_lock:
            return self._balances[account_id]


class Balances(Projection[BalancesView]):
    """Folds accounts into a view."""

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        if isinstance(domain_event, Account.Opened):  # type: ignore[attr-defined]
            self.view.change(domain_event.account_id, domain_event.owner, 0, tracking)
        elif isinstance(domain_event, Account.Deposited):  # type: ignore[attr-defined]
            self.view.change(domain_event.account_id, "", domain_event.amount, tracking)


@contextmanager
def sqlite_balances(path: Path) -> Generator[SqliteBalances]:
    """An empty view in a file."""
    factory = InfrastructureFactory.construct(
        Environment(
            "Balances",
            {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)},
        )
    )
    try:
        yield factory.tracking_recorder(SqliteBalances)
    finally:
        factory.close()


def catch_up(app: Bank, view: BalancesView) -> None:
    """What a runner's thread does with what a subscription gives it."""
    projection = Balances(view)
    for position, domain_event in enumerate(log(app), 1):
        projection.process_event(domain_event, Tracking(app.name, position))


def projected() -> ProjectionRunner[Bank, MemoryBalances]:
    """The bank and its view, both in memory, the view kept up to date by a thread."""
    return ProjectionRunner(
        application_class=Bank, projection_class=Balances, view_class=MemoryBalances
    )


def send_and_read(
    runner: ProjectionRunner[Bank, MemoryBalances], number: int, accounts: int
) -> None:
    """Deposit something, wait until the view has seen it, and read the balance."""
    account_id, *what = bank.deposit(number, accounts)
    position = runner.app.deposit(account_id, *what)
    runner.wait(position, timeout=5)
    assert runner.view.balance(account_id) > 0
