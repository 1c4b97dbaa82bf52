"""The conformance suite catches faults inside the SQLite backend."""

import time
from functools import partial
from itertools import count
from pathlib import Path
from sqlite3 import Connection

import pytest

from whence.backends.sqlite import SqliteStore, appending, batch, selecting, walking
from whence.backends.sqlite.selecting import Scan
from whence.backends.sqlite.statements import SQL
from whence.envelope import Recorded
from whence.store import Page
from whence.testing.conformance import (
    Handles,
    Idempotency,
    NothingMissed,
    OpenStore,
    Paging,
    Selecting,
    Suite,
    Unless,
)
from whence.testing.faults import first_failure


@pytest.fixture
def caught(tmp_path: Path) -> "Caught":
    return Caught(tmp_path)


class Caught:
    """Asks whether a promise is broken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = count()

    def by(self, promise: type[Suite]) -> bool:
        return first_failure(promise, self._fresh) is not None

    def _fresh(self) -> OpenStore:
        return partial(SqliteStore, self._path / f"{next(self._numbers)}.db")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "_PATIENCE", 1)


def test_a_read_lock_taken_for_a_write_lock(
    monkeypatch: pytest.MonkeyPatch, caught: Caught
) -> None:
    monkeypatch.setitem(SQL, "begin", "begin")
    assert caught.by(Handles)


def test_changes_of_others_not_noticed(monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    monkeypatch.setitem(SQL, "changes", "select 1")
    assert caught.by(Handles)


def test_earlier_commits_of_the_batch_not_seen(
    monkeypatch: pytest.MonkeyPatch, caught: Caught
) -> None:
    def none(batch: object) -> list[Recorded]:
        return []

    monkeypatch.setattr(f"{batch.__name__}.Batch._plans", none)
    assert caught.by(Unless)


def test_a_repeated_id_taken_for_a_failure(
    monkeypatch: pytest.MonkeyPatch, caught: Caught
) -> None:
    monkeypatch.setitem(SQL, "commit", SQL["commit"] + " and false")
    assert caught.by(Idempotency)


def test_only_one_tag_looked_at(monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    def one(connection: Connection, tags: frozenset[str]) -> list[str]:
        return sorted(tags)[:1]

    monkeypatch.setattr(f"{walking.__name__}._rarest_first", one)
    assert caught.by(Selecting)


def test_the_end_taken_after_the_rows(monkeypatch: pytest.MonkeyPatch, caught: Caught) -> None:
    right = selecting.page

    def late(connection: Connection, scan: Scan) -> tuple[Page, bool]:
        page, finished = right(connection, scan)
        time.sleep(0.002)
        return Page(
            page.events, selecting.head(connection) if finished else page.scanned
        ), finished

    monkeypatch.setattr(selecting, "page", late)
    monkeypatch.setitem(SQL, "look", "select 1")  # in a transaction, the end stays where it is
    assert caught.by(NothingMissed)


def test_a_place_in_a_stream_missed_by_one(
    monkeypatch: pytest.MonkeyPatch, caught: Caught
) -> None:
    monkeypatch.setitem(SQL, "version", SQL["version"].replace("position", "position - 1", 1))
    assert caught.by(Paging)
