"""Inline read models: rows change in the transaction that stores the events."""

import asyncio
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from whence import ReadModel, evolve
from whence.errors import Conflict, NotFolded, WiringError
from whence.readmodels import Kind
from whence.store import Appended, Commit

from ..accounts import Close, Deposit, Deposited, Note, Open, Opened
from .accounts import Balance, append, bank, checkpoint, deposited, fresh, new, rows, status


async def test_rows_are_there_as_soon_as_the_command_is_answered(store_url: str) -> None:
    async with bank(store_url) as app:
        await app.send(Open("A", "ann"))
        assert await rows(app) == {"A": Balance("A", "ann", version=1)}
        await app.send(Deposit("A", 5, times=3))
        found = await app.read(Balance).get("A")
        assert found == Balance("A", "ann", Decimal(15), 3, version=4)
        await app.send(Close("A"))
        assert await rows(app) == {}
        await app.send(Open("A", "bob"))
        assert await rows(app) == await fresh(app) == {"A": Balance("A", "bob", version=6)}


async def test_the_checkpoint_goes_along_without_anybody_who_follows(store_url: str) -> None:
    async with bank(store_url) as app:
        await app.send(Open("A", "ann"))
    async with bank(store_url).using(projecting=False) as app:
        for amount in range(1, 5):
            receipt = await app.send(Deposit("A", amount))
            assert await checkpoint(app) == receipt.position
            row = await app.read(Balance).get("A", after=receipt, timeout=0)
            assert row is not None
            assert row.balance == sum(range(amount + 1))


async def test_what_does_not_concern_it_keeps_nobody_waiting(store_url: str) -> None:
    class Owners(ReadModel, kind="inline"):
        name: str
        accounts: int = 0

        @evolve(key="owner")
        def _(self, event: Opened) -> None:
            self.accounts += 1

    async with bank(store_url, Owners) as app:
        await app.send(Open("A", "ann"))
    async with bank(store_url, Owners).using(projecting=False) as app:
        await app.send(Note("A"))
        receipt = await app.send(Note("A"))
        row = await app.read(Owners).get("ann", after=receipt, timeout=0)
        assert row is not None
        receipt = await app.send(Open("B", "ann"))
        row = await app.read(Owners).get("ann", after=receipt, timeout=0)
        assert row is not None
        assert row.accounts == 2
        assert await checkpoint(app, "owners") == receipt.position


async def test_many_at_once(store_url: str) -> None:
    async with bank(store_url) as app:
        await asyncio.gather(*(app.send(Open(f"A{n}", "ann")) for n in range(30)))
        sent = [app.send(Deposit(f"A{n % 30}", n, times=1 + n % 3)) for n in range(14, 200)]
        await asyncio.gather(*sent)
        assert await rows(app) == await fresh(app)
        verified = await app.verify(Balance)
        assert verified.in_sync
        assert verified.rows == 30


async def test_an_event_may_change_several_rows(store_url: str) -> None:
    async with bank(store_url) as app:
        await append(app, deposited("A", 5), deposited("B", 7))
        moved = {"source": "A", "target": "B", "amount": 2}
        await append(app, new("Moved", "moves-1", moved), deposited("A", 1))
        found = await rows(app)
        assert {key: row.balance for key, row in found.items()} == {"A": 4, "B": 9}
        assert found == await fresh(app)


async def test_a_commit_that_cannot_be_folded_is_refused(store_url: str) -> None:
    async with bank(store_url) as app:
        await app.send(Open("A", "ann"))
        with pytest.raises(NotFolded, match=r"13 brings bad luck at .+\. balance is inline"):
            await app.send(Deposit("A", 13))
        assert await app.running.store.head() == 1
        assert await rows(app) == {"A": Balance("A", "ann", version=1)}
        await app.send(Deposit("A", 5))
        assert await rows(app) == await fresh(app)
        assert (await status(app)).error is None


async def test_its_neighbours_are_not_harmed(store_url: str) -> None:
    async with bank(store_url) as app:
        sent = [append(app, deposited(f"A{n}", n)) for n in range(10, 16)]
        answers = await asyncio.gather(*sent, return_exceptions=True)
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        assert [type(error) for error in failed] == [NotFolded]
        assert sorted(await rows(app)) == ["A10", "A11", "A12", "A14", "A15"]
        assert await rows(app) == await fresh(app)


async def test_a_conflict_is_nobody_elses(store_url: str) -> None:
    async with bank(store_url) as app:
        await append(app, deposited("A", 1))
        stale = Commit("stale", [deposited("A", 2)], {"account-A": 0})
        good = Commit("good", [deposited("B", 3), deposited("B", 4)], {"account-B": 0})
        outcomes = await app.running.store.append([stale, good])
        assert [type(one) for one in outcomes] == [Conflict, Appended]
        assert await rows(app) == await fresh(app)
        again = (await app.running.store.append([good]))[0]
        assert isinstance(again, Appended)
        assert again.duplicate
        assert await rows(app) == await fresh(app)


async def test_what_no_column_can_keep_is_refused(store_url: str) -> None:
    class Large(ReadModel, kind="inline"):
        account_id: str
        total: int = 1

        @evolve
        def _(self, event: Deposited) -> None:
            self.total *= event.amount

    async with bank(store_url, Large) as app:
        await append(app, deposited("A", 2**62))
        with pytest.raises(NotFolded, match="large is inline"):
            await append(app, deposited("A", 4))
        await append(app, deposited("B", 4))
        assert sorted(await rows(app, Large)) == ["A", "B"]


async def test_it_has_a_past_reasons_and_a_future(store_url: str) -> None:
    async with bank(store_url) as app:
        opened = await app.send(Open("A", "ann"))
        await app.send(Deposit("A", 5), by="ann")
        then = await app.read(Balance).as_of(opened).get("A")
        assert then == Balance("A", "ann", version=1)
        why = await app.why(Balance, "A", "balance")
        assert [(one.type, one.by) for one in why] == [("Deposited", "ann"), ("Opened", None)]
        watched = app.read(Balance).watch("A")
        assert await anext(watched) == await app.read(Balance).get("A")
        await app.send(Deposit("A", 6))
        changed = await anext(watched)
        assert changed is not None
        assert changed.balance == 11
        await watched.aclose()


async def test_questions_are_asked_as_of_any_other(store_url: str) -> None:
    async with bank(store_url) as app:
        for n, owner in enumerate(("ann", "bob", "Anton")):
            await app.send(Open(f"A{n}", owner))
            await app.send(Deposit(f"A{n}", 10 - n))
        found = await app.read(Balance).starting_with(owner="an").order_by("balance")
        assert [row.owner for row in found] == ["Anton", "ann"]
        assert await app.read(Balance).where(owner="bob").count() == 1


# Where it is kept.


async def test_on_sqlite_it_is_in_the_file_of_the_store(tmp_path: Path) -> None:
    async with bank(f"sqlite:///{tmp_path}/log.db") as app:
        await app.send(Open("A", "ann"))
    with sqlite3.connect(tmp_path / "log.db") as connection:
        assert connection.execute("select owner from balance").fetchall() == [("ann",)]
    connection.close()


@pytest.mark.parametrize("read", ["sqlite:///elsewhere.db", "postgresql://db/reports"])
async def test_read_models_elsewhere_are_named_with_the_remedy(tmp_path: Path, read: str) -> None:
    store = f"sqlite:///{tmp_path}/log.db"
    with pytest.raises(WiringError) as caught:
        async with bank(store, read=read):
            pass
    said = str(caught.value)
    assert f"the log in {store}, but the read models are in {read[:6]}" in said
    assert "Leave out the setting `read`, or kind='inline'" in said


async def test_the_same_database_may_be_named(store_url: str) -> None:
    async with bank(store_url, read=store_url) as app:
        await app.send(Open("A", "ann"))
        assert "A" in await rows(app)


async def test_a_store_without_tables_is_refused() -> None:
    with pytest.raises(WiringError, match="is inline, but memory:// keeps no tables"):
        async with bank("memory://"):
            pass


@pytest.mark.parametrize(
    ("kind", "why"),
    [("inline", "its table is in the store's own database"), ("live", "it has no table")],
)
def test_another_database_in_the_class_is_refused(kind: Kind, why: str) -> None:
    with pytest.raises(WiringError, match=f"is {kind}: {why}.* or kind='{kind}'"):

        class Elsewhere(ReadModel, kind=kind, database="sqlite:///x.db"):  # pyright: ignore[reportUnusedClass]
            account_id: str

            @evolve
            def _(self, event: Deposited) -> None: ...


@pytest.mark.parametrize("name", ["events", "tags", "snapshots"])
async def test_the_tables_of_the_store_are_nobody_elses(tmp_path: Path, name: str) -> None:
    class Mine(ReadModel, kind="inline", name=name):
        account_id: str

        @evolve
        def _(self, event: Deposited) -> None: ...

    class Theirs(ReadModel, name=name):
        account_id: str

        @evolve
        def _(self, event: Deposited) -> None: ...

    store = f"sqlite:///{tmp_path}/log.db"
    async with bank(store) as app:
        await app.send(Open("A", "ann"))
    for model, read in ((Mine, None), (Theirs, store)):
        with pytest.raises(WiringError, match="the store itself has a table of that name"):
            async with bank(store, model, read=read):
                pass
    async with bank(store) as app:
        assert await app.running.store.head() == 1
    async with bank(store, Theirs) as app:  # in a file of its own
        await app.send(Deposit("A", 1))
