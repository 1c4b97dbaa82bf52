"""A table that somebody has dropped by hand is noticed, and made anew as `doctor` says."""

import pytest
from sqlalchemy import create_engine, text

from whence.backends.sql.address import address

from .terminal import Terminal, save

BOTH = """
from sqlalchemy import Column, Connection, Integer, MetaData, Table

from bank import Account, AccountOpened, Balance, MoneyDeposited, MoneyWithdrawn
from whence import App, Projection, project

amounts = Table("amounts", MetaData(), Column("amount", Integer, nullable=False))


class Deposits(Projection):
    tables = [amounts]

    @project
    def _(self, event: MoneyDeposited, connection: Connection) -> None:
        connection.execute(amounts.insert().values(amount=event.amount))


app = App("bank", Account, Balance, Deposits)
"""


@pytest.fixture
def both(store_url: str, account: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The bank with a projection, whose read models are up to date in each kind of database.

    That is made first: a terminal has temporary files of its own.
    """
    save(account.folder, "both.py", BOTH)
    monkeypatch.setenv("WHENCE_APP", "both:app")
    monkeypatch.setenv("WHENCE_READ", store_url)
    account("rebuild", "balance")
    account("rebuild", "deposits")
    return account


@pytest.mark.parametrize(("name", "table"), [("balance", "balance"), ("deposits", "amounts")])
def test_a_table_that_is_gone_is_a_problem_with_a_remedy(
    both: Terminal, store_url: str, name: str, table: str
) -> None:
    assert both("doctor").err == "all is well\n"
    assert [*kept(store_url, f"select * from {table}")]
    kept(store_url, f"drop table {table}")

    answer = both("doctor", code=9)

    gone = f"read model {name}: its table {table} is gone: somebody has dropped it"
    assert f"FAIL  {gone}" in answer.out
    assert f"      -> `whence rebuild {name}` makes it anew" in answer.out
    both("rebuild", name)
    assert both("doctor").err == "all is well\n"
    assert [*kept(store_url, f"select * from {table}")]


def kept(url: str, statement: str) -> list[object]:
    """Do with a database what no application does."""
    engine = create_engine(address(url).url)
    with engine.begin() as connection:
        done = connection.execute(text(statement))
        found: list[object] = [*done] if done.returns_rows else []
    engine.dispose()
    return found
