"""The same without `await`: see `whence.sync`."""

from collections.abc import Iterator

import pytest

import bank
from bank import Balance, DepositMoney, OpenAccount
from whence.sync import SyncApp


@pytest.fixture
def app(store_url: str) -> Iterator[SyncApp]:
    with bank.app.using(store=store_url).sync as opened:
        opened.send(OpenAccount("ACC1", "alice"), by="alice")
        receipt = opened.send(DepositMoney("ACC1", 5), by="bob")
        assert opened.read(Balance).after(receipt).count() == 1
        yield opened


def test_why_and_the_past(app: SyncApp) -> None:
    latest, first = app.why(Balance, "ACC1", "balance")
    assert (latest.by, first.by) == ("bob", "alice")
    assert len(app.why(Balance, "ACC1", limit=1)) == 1

    rows = app.read(Balance)
    then = rows.as_of(first.position).get("ACC1")
    assert then is not None
    assert then.balance == 0
    assert [row.balance for row in rows.as_of(latest.position)] == [5]
    (change,) = rows.diff(first.position, latest.position)
    assert change.kind == "changed"


def test_pages_and_type_ahead(app: SyncApp) -> None:
    rows = app.read(Balance)

    assert rows.page(1).next is None
    assert rows.starting_with(owner="AL").count() == 1
    assert rows.where(rows.table.c.balance > 1).count() == 1
    assert "where" in str(rows.where(owner="alice").select()).lower()


def test_watching_goes_on_until_it_is_left(app: SyncApp) -> None:
    seen: list[int] = []
    for row in app.read(Balance).watch("ACC1"):
        assert row is not None
        seen.append(row.balance)
        if row.balance == 7:
            break
        app.send(DepositMoney("ACC1", 1))

    assert seen == [5, 6, 7]


def test_watching_ends_when_the_application_is_closed(store_url: str) -> None:
    with bank.app.using(store=store_url).sync as opened:
        opened.send(OpenAccount("ACC1", "alice"))
        watched = iter(opened.read(Balance).watch("ACC1"))
        assert next(watched) is not None

    assert list(watched) == []
