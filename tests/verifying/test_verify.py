"""`App.verify`: whatever was done to the rows by hand is found, explained and repaired."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from whence import App
from whence.errors import StoreError
from whence.store import ALL
from whence.verifying import Difference, Verified

from ..accounts import Close, Deposit, Open
from .accounts import Balance, Move, app, fill


async def by_hand(app: App, statement: str, **values: Any) -> None:
    """What somebody does who should not."""
    await app.running.reads.database.write(lambda c: c.execute(text(statement), values))


async def found(app: App) -> dict[str, Difference[Balance]]:
    """Everything that differs, by key."""
    verified = await app.verify(Balance)
    assert verified.found == len(verified.differences)
    return {one.key: one for one in verified.differences}


async def repaired(app: App) -> Verified[Balance]:
    """Repair, and see that nothing is left to repair."""
    verified = await app.verify(Balance, repair=True)
    assert verified.in_sync
    assert not await found(app)
    return verified


async def test_rows_that_are_right(accounts: App) -> None:
    verified = await accounts.verify(Balance)
    assert verified.in_sync
    assert (verified.rows, verified.found, verified.differences) == (18, 0, ())
    assert verified.position == await accounts.running.store.head()


async def test_a_changed_value(accounts: App) -> None:
    await by_hand(accounts, "update balance set balance = 7 where account_id = 'A3'")
    wrong = (await found(accounts))["A3"]
    assert wrong.kind == "wrong"
    assert [(one.path, one.before, one.after) for one in wrong.changes] == [("balance", 7, 30)]
    assert [event.type for event in wrong.events] == ["Opened", "Deposited", "Moved", "Moved"]
    assert [event.about["command"] for event in wrong.events] == [
        "Open",
        "Deposit",
        "Move",
        "Move",
    ]
    verified = await repaired(accounts)
    assert verified.mended == 1
    row = await accounts.read(Balance).get("A3")
    assert row is not None
    assert (row.balance, row.version) == (30, 2)


async def test_a_changed_version(accounts: App) -> None:
    await by_hand(accounts, "update balance set version = 9 where account_id = 'A3'")
    assert (await found(accounts))["A3"].changes[-1].path == "version"
    await repaired(accounts)


async def test_a_deleted_row(accounts: App) -> None:
    await by_hand(accounts, "delete from balance where account_id = 'A5'")
    missing = (await found(accounts))["A5"]
    assert (missing.kind, missing.kept) == ("missing", None)
    assert missing.fresh is not None
    assert len(missing.events) == 4
    await repaired(accounts)


async def test_an_invented_row(accounts: App) -> None:
    await by_hand(
        accounts,
        "insert into balance (account_id, owner, owner_folded, balance, moves, version,"
        " whence_position) values ('A4', 'nobody', 'nobody', 0, 0, 1, 1)",
    )
    extra = (await found(accounts))["A4"]
    assert (extra.kind, extra.fresh) == ("extra", None)
    assert extra.events[-1].type == "Closed"
    await repaired(accounts)
    assert await accounts.read(Balance).get("A4") is None


async def test_a_row_that_has_missed_events(accounts: App) -> None:
    """Put back from an old backup, say."""
    first = await accounts.running.store.read(ALL, limit=1).__anext__()
    position = first.events[0].position
    await by_hand(
        accounts,
        "update balance set balance = 0, moves = 0, last = null, version = 1,"
        " whence_position = :position where account_id = 'A0'",
        position=position,
    )
    stale = (await found(accounts))["A0"]
    assert stale.kind == "stale"
    assert [event.type for event in stale.events] == ["Deposited", "Moved"]
    await repaired(accounts)


async def test_a_checkpoint_that_was_moved_forwards(accounts: App) -> None:
    """While nobody looked, so that events are missed."""
    blind = accounts.using(projecting=False)
    await accounts.__aexit__(None, None, None)
    async with blind:
        await blind.send(Deposit("A1", 1_000))
        head = await blind.running.store.head()
        await by_hand(
            blind,
            "update whence_checkpoints set position = :head where name = 'balance'",
            head=head,
        )
    await accounts.__aenter__()
    await accounts.send(Deposit("A2", 1))
    await accounts.read(Balance).after(await accounts.running.store.head()).count()
    stale = (await found(accounts))["A1"]
    assert stale.kind == "stale"
    assert [event.type for event in stale.events] == ["Deposited"]
    await repaired(accounts)


async def test_a_checkpoint_beyond_the_log(accounts: App) -> None:
    await by_hand(
        accounts, "update whence_checkpoints set position = 10000 where name = 'balance'"
    )
    verified = await accounts.verify(Balance)
    assert (verified.beyond, verified.in_sync) == (10000, False)
    await repaired(accounts)
    await accounts.send(Deposit("A1", 5))
    head = await accounts.running.store.head()
    assert await accounts.read(Balance).after(head).count() == 18
    assert not await found(accounts)


async def test_one_of_several_checkpoints_beyond_the_log(accounts: App) -> None:
    """As when the store was restored: what is stored from then on would be passed over there."""
    await by_hand(
        accounts,
        "update whence_checkpoints set position = 10000, revision = revision + 1"
        " where name = 'balance' and slice = 0",
    )
    assert (await accounts.projections.status(Balance)).position == 10_000
    with pytest.raises(StoreError, match="seen everything up to position 10000, but the log"):
        await accounts.rebuild(Balance)
    await repaired(accounts)
    head = await accounts.running.store.head()
    assert (await accounts.projections.status(Balance)).position == head


async def test_a_checkpoint_that_is_gone(postgres_url: str) -> None:
    """One of several: what concerns its slice would be passed over."""
    async with app.using(store=postgres_url) as accounts:
        await fill(accounts)
        await accounts.read(Balance).after(await accounts.running.store.head()).count()
        await by_hand(
            accounts, "delete from whence_checkpoints where name = 'balance' and slice = 0"
        )
        await accounts.send(Deposit("A3", 5))
        error = None
        for _ in range(1_500):
            if error := (await accounts.projections.status(Balance)).error:
                break
            await asyncio.sleep(0.02)
        assert error is not None
        assert "`whence rebuild balance` makes it anew" in error
        await accounts.rebuild(Balance)
        assert (await accounts.verify(Balance)).in_sync


async def test_a_checkpoint_that_was_moved_backwards(accounts: App) -> None:
    """Events are then applied twice."""
    await by_hand(
        accounts,
        "update whence_checkpoints set position = 3, revision = revision + 1"
        " where name = 'balance'",
    )
    await accounts.send(Deposit("A1", 5))
    head = await accounts.running.store.head()
    assert await accounts.read(Balance).after(head, 30).count()
    assert {one.kind for one in (await found(accounts)).values()} == {"wrong"}
    await repaired(accounts)


async def test_it_repairs_exactly_what_differs(accounts: App) -> None:
    await by_hand(accounts, "update balance set balance = 7 where account_id = 'A3'")
    await by_hand(accounts, "update balance set whence_position = 1 where account_id = 'A6'")
    verified = await repaired(accounts)
    assert [one.key for one in verified.differences] == ["A3"]
    rows = await accounts.running.reads.database.read(
        lambda c: (
            c.execute(text("select whence_position from balance where account_id = 'A6'"))
            .scalars()
            .all()
        )
    )
    assert rows == [1]


async def test_some_keys(accounts: App) -> None:
    await by_hand(accounts, "update balance set balance = 7")
    verified = await accounts.verify(Balance, keys=["A1", "A2", "A4", "nobody"], repair=True)
    assert (verified.rows, verified.mended) == (2, 2)
    assert len(await found(accounts)) == 16


async def test_a_sample(accounts: App) -> None:
    await by_hand(accounts, "update balance set balance = 7")
    some = await accounts.verify(Balance, sample=30, seed=1)
    others = await accounts.verify(Balance, sample=30, seed=2)
    assert 0 < some.rows < 18
    assert {one.key for one in some.differences} != {one.key for one in others.differences}
    assert (await accounts.verify(Balance, sample=100)).found == 18
    with pytest.raises(ValueError, match="percent"):
        await accounts.verify(Balance, sample=0)


async def test_while_everything_goes_on(accounts: App) -> None:
    """Whatever is written meanwhile is no difference, and repairs harm nobody."""
    done = asyncio.Event()

    async def busy(number: int) -> None:
        n = 0
        while not done.is_set():
            n += 1
            await accounts.send(Open(f"B{number}-{n}", "busy"))
            await accounts.send(Deposit(f"A{n % 4}", 1))
            await accounts.send(Move(f"U{number}-{n}", f"A{n % 5}", f"A{10 + n % 5}", 1))
            if n % 7 == 0:
                await accounts.send(Close(f"B{number}-{n}"))

    tasks = [asyncio.create_task(busy(number)) for number in range(4)]
    try:
        for _ in range(5):
            assert not await found(accounts)
            await by_hand(accounts, "update balance set moves = -1 where account_id = 'A17'")
            await by_hand(accounts, "delete from balance where account_id = 'A16'")
            verified = await accounts.verify(Balance, repair=True)
            assert {one.key for one in verified.differences} >= {"A16", "A17"}
    finally:
        done.set()
        await asyncio.gather(*tasks)
    head = await accounts.running.store.head()
    assert await accounts.read(Balance).after(head, 30).count()
    assert not await found(accounts)
