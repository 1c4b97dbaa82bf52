"""Read models in a `RowStore`: at least once, and each event in its row exactly once."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from whence.elsewhere import Document, RowStore, table_name
from whence.errors import NotFound, Retired, StoreError, WiringError
from whence.plain import to_builtins

from .accounts import (
    Deposit,
    append,
    bank,
    caught_up,
    closed,
    deposited,
    fresh,
    go_back,
    mixed,
    opened,
    rows,
    status,
    subscription,
)


@pytest.fixture
def log(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


def live(store: RowStore, generation: int = 1) -> dict[str, Document]:
    """What is kept, as it is."""
    return dict(store.scan(table_name("balance", generation)))


async def test_rows_come_back_as_they_were_folded(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        (model,) = app.wiring.models
        await append(app, opened("A", "ann"), deposited("A", 5))
        receipt = await app.send(Deposit("A", 7))
        row: Any = await app.read(model).get("A", after=receipt)
        assert (row.owner, row.balance, row.deposits) == ("ann", Decimal(12), [5, 7])
        assert row.since == datetime(2026, 11, 1, 11, tzinfo=UTC)
        assert row.version == 3
        assert await app.read(model).get("B") is None
        await append(app, closed("A"))
        await caught_up(app)
        assert await app.read(model).get("A") is None
        await append(app, deposited("A", 1))
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_questions_are_answered_from_all_rows(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        (model,) = app.wiring.models
        for n in range(5):
            await append(app, opened(f"A{n}", "ann" if n % 2 else "bob"), deposited(f"A{n}", n))
        await caught_up(app)
        found: list[Any] = await app.read(model).where(owner="bob").order_by("-balance").limit(2)
        assert [row.account_id for row in found] == ["A4", "A2"]
        assert await app.read(model).where(owner="ann").count() == 2
        with pytest.raises(WiringError, match="is in no SQL database"):
            app.read(model).select()


async def test_rows_that_are_out_of_reach_are_said_to_be(
    log: str, store: RowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> Any:
        raise ConnectionError("nobody answers")

    async with bank(log, store) as app:
        (model,) = app.wiring.models
        await append(app, opened("A", "ann"))
        await caught_up(app)
        reason = "^the rows of balance are out of reach: ConnectionError: nobody answers"
        with monkeypatch.context() as patch:
            patch.setattr(store, "load", away)
            patch.setattr(store, "scan", away)
            with pytest.raises(StoreError, match=reason):
                await app.read(model).get("A")
            with pytest.raises(StoreError, match=reason):
                await rows(app)
        assert list(await rows(app)) == ["A"]


async def test_what_is_delivered_again_is_not_folded_again(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        await append(app, *mixed(300))
        await caught_up(app)
        before = live(store)
        for position in (0, 100, 299):
            await go_back(app, position)
            await caught_up(app)
            assert live(store) == before
        await append(app, *mixed(50))
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_nor_if_new_events_come_with_it(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        await append(app, *mixed(300))
        await caught_up(app)
    async with bank(log, store).using(projecting=False) as app:
        await go_back(app, 100)
        await append(app, *mixed(50))
        await app.running.reads.subscriptions.start()
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_it_goes_on_where_it_was(log: str, store: RowStore) -> None:
    for _ in range(3):
        async with bank(log, store) as app:
            await append(app, *mixed(40))
            await caught_up(app)
            assert await rows(app) == await fresh(app)


async def test_a_rebuild_is_made_beside_and_then_takes_its_place(
    log: str, store: RowStore
) -> None:
    async with bank(log, store) as app:
        await append(app, *mixed(200))
        await caught_up(app)
        await app.projections.rebuild("balance")
        assert (await status(app)).generation == 2
        assert await rows(app) == await fresh(app)
        assert live(store, 1)
        await append(app, deposited("A1", 1))
        await caught_up(app)
        assert await rows(app) == await fresh(app)
        await app.projections.rollback("balance")
        await caught_up(app)
        assert (await status(app)).generation == 1
        assert await rows(app) == await fresh(app)
        await app.projections.clean("balance")
        assert not live(store, 2)
        assert live(store, 1)
        with pytest.raises(NotFound):
            await app.projections.rollback("balance")


async def test_changed_code_makes_them_anew(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        await append(app, *mixed(100))
        await caught_up(app)
    async with bank(log, store, revision=2, times=2) as app:
        await caught_up(app)
        assert await rows(app) == await fresh(app)
        assert sum(row.balance for row in (await rows(app)).values()) > 0


async def test_a_poisoned_key_waits_and_others_go_on(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        (model,) = app.wiring.models
        await append(app, deposited("A", 1), deposited("A", 13), deposited("B", 2))
        await append(app, deposited("A", 3))
        await caught_up(app)
        found: Any = await app.read(model).get("A")
        assert found.balance == 1
        assert [one.key for one in await app.projections.dead.keys()] == ["A"]
        assert (await app.verify(model)).in_sync
        await app.projections.dead.skip(model, "A", reason="a test", by="ann")
        found = await app.read(model).get("A")
        assert found.balance == 4
        assert (await app.verify(model)).in_sync


async def test_it_can_be_retired(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        (model,) = app.wiring.models
        await append(app, *mixed(30))
        await caught_up(app)
        await app.projections.retire(model, drop=True)
        assert not live(store)
        app.running.reads.model(model).now.__dict__["_looked"] = -1.0
        with pytest.raises(Retired):
            await app.read(model).get("A1")
        await app.projections.resume(model)
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_it_has_a_past_reasons_and_a_future(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        (model,) = app.wiring.models
        first = await app.send(Deposit("A", 5))
        await app.send(Deposit("A", 6))
        await caught_up(app)
        then: Any = await app.read(model).as_of(first).get("A")
        assert then.balance == 5
        assert len(await app.why(model, "A", "balance")) == 2
        watched = app.read(model).watch("A")
        assert await anext(watched) == await app.read(model).get("A")
        await watched.aclose()


# Verifying.


async def test_what_was_spoilt_by_hand_is_found_and_mended(log: str, store: RowStore) -> None:
    async with bank(log, store) as app:
        (model,) = app.wiring.models
        await append(app, *mixed(300))
        await caught_up(app)
        good, table = live(store), table_name("balance", 1)
        keys = sorted(await rows(app))
        wrong, stale, missing, spoilt = keys[:4]
        earlier = await _before(app, stale)
        for key, document in {
            wrong: Document(good[wrong].position, {**(good[wrong].row or {}), "balance": "1"}),
            stale: earlier,
            "invented": Document(1, {**(good[wrong].row or {}), "account_id": "invented"}),
            spoilt: Document(good[spoilt].position, {"account_id": spoilt, "balance": "much"}),
        }.items():
            store.delete(table, [key])
            store.store(table, {key: document})
        store.delete(table, [missing])
        found = await app.verify(model)
        assert {one.key: one.kind for one in found.differences} == {
            wrong: "wrong",
            stale: "stale",
            missing: "missing",
            spoilt: "wrong",
            "invented": "extra",
        }
        assert not found.in_sync
        few = await app.verify(model, keys=[wrong, spoilt], repair=True)
        assert few.mended == 2
        assert (await app.verify(model, repair=True)).mended == 3
        assert (await app.verify(model)).in_sync
        assert await rows(app) == await fresh(app)
        await append(app, *mixed(20))
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def _before(app: Any, key: str) -> Document:
    """The row of ``key`` as it was before its latest event."""
    (model,) = app.wiring.models
    events = await app.why(model, key)
    row = await app.read(model).as_of(events[1].position).get(key)
    return Document(events[1].position, to_builtins(row))


async def test_a_checkpoint_that_was_moved_by_hand(log: str, store: RowStore) -> None:
    async with bank(log, store).using(projecting=False) as app:
        (model,) = app.wiring.models
        await append(app, *mixed(100))
        await subscription(app).start()
        await caught_up(app)
        await subscription(app).stop()
        await append(app, *mixed(10))
        database = app.running.reads.database
        forward = "update whence_checkpoints set position = 110"
        await database.write(lambda c: c.exec_driver_sql(forward))
        found = await app.verify(model)
        assert {one.kind for one in found.differences} <= {"stale", "missing", "extra"}
        assert found.found > 0
        assert (await app.verify(model, repair=True)).in_sync
        assert await rows(app) == await fresh(app)
