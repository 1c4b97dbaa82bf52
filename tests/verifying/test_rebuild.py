"""Rebuilding in each kind of database, under a load of commands and of questions."""

import asyncio

import pytest

from whence import App
from whence.backends.sql.building import NextTable
from whence.building import Builder
from whence.errors import WiringError
from whence.subscribers import Build, Finished
from whence.walking import Walk

from ..accounts import Deposit, Open
from .accounts import Balance, app, fill


async def test_a_rebuild_while_everything_goes_on(accounts: App) -> None:
    """No question fails, none sees half of it, and the new rows are right."""
    done = asyncio.Event()

    async def ask() -> int:
        asked = 0
        while not done.is_set():
            assert await accounts.read(Balance).where(owner="owner 1").count() == 5
            row = await accounts.read(Balance).get("A9")
            assert row is not None
            assert row.owner == "owner 0"
            asked += 2
        return asked

    async def tell() -> None:
        n = 0
        while not done.is_set():
            n += 1
            await accounts.send(Open(f"B{n}", "busy"))
            await accounts.send(Deposit(f"A{n % 3}", 1))
            await asyncio.sleep(0.01)  # faster than that, some databases would hardly catch up

    asking, telling = asyncio.create_task(ask()), asyncio.create_task(tell())
    for _ in range(3):
        await accounts.rebuild(Balance)
    done.set()
    assert await asking > 10
    await telling
    head = await accounts.running.store.head()
    assert await accounts.read(Balance).after(head, 30).count()
    assert (await accounts.verify(Balance)).in_sync


async def test_a_rebuild_can_be_taken_back(accounts: App) -> None:
    await accounts.rebuild(Balance)
    await accounts.send(Deposit("A1", 5))
    subscription = accounts.running.reads.subscription(Balance)
    assert await subscription.subscriber.controls.roll_back()
    head = await accounts.running.store.head()
    assert await accounts.read(Balance).after(head, 30).count() == 18
    assert (await accounts.verify(Balance)).in_sync


async def led(app: App, build: Build) -> Walk:
    """Lead a build to the head, as one of several processes; it is not switched."""
    walk = Walk(build, app.running.store, app.running.reads.database.ownership)
    while not walk.share.whole:
        await walk.begin()
        await walk.changed(0.01)
    async for _ in walk.pages():
        pass
    return walk


async def test_who_is_late_leaves_a_rebuild_that_others_have_finished(closed: App) -> None:
    """It has to look for a row when the table is not there any more."""
    async with closed.using(projecting=False) as accounts:
        await fill(accounts)
        subscriber = accounts.running.reads.subscription(Balance).subscriber
        late = await subscriber.rebuild(0)
        walk = await led(accounts, late)
        await walk.save()
        await accounts.send(Deposit("A1", 5))
        walk = await led(accounts, late)
        quick = await subscriber.building()
        assert quick is not None
        receipt = await accounts.send(Deposit("A2", 5))
        await (await led(accounts, quick)).save()
        assert await quick.switch()
        store = accounts.running.store
        pages = [page async for page in store.read(late.query, after=receipt.position - 1)]
        with pytest.raises(Finished):
            await late.apply(pages[0], walk.share)


async def test_one_of_two_who_are_at_the_same_rebuild_is_given_up(
    closed: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices are a process's own: they do not go away with one of its tasks."""
    tried = asyncio.Event()

    async def not_yet(_: object) -> bool:
        tried.set()
        return False

    async with closed.using(projecting=False) as accounts:
        await fill(accounts)
        subscriber = accounts.running.reads.subscription(Balance).subscriber
        build = await subscriber.rebuild(0)
        builder = Builder(accounts.running.store, accounts.running.reads.database.ownership)
        with monkeypatch.context() as patched:
            patched.setattr(NextTable, "switch", not_yet)
            first, second = (asyncio.create_task(builder.finish(build)) for _ in range(2))
            await tried.wait()
        first.cancel()
        async with asyncio.timeout(20):
            await second
        assert (await accounts.verify(Balance)).in_sync


async def test_other_processes_take_part(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This one does its share of it, but not the rest, and not the end."""

    async def never(_: object) -> bool:
        return False

    monkeypatch.setenv("WHENCE_APP", "tests.verifying.accounts:app")
    async with app.using(store=postgres_url, projecting=False) as accounts:
        await fill(accounts)
        monkeypatch.setattr(NextTable, "switch", never)
        await accounts.rebuild(Balance, workers=2)
        assert await accounts.read(Balance).count() == 18
        assert (await accounts.verify(Balance)).in_sync


async def test_an_application_that_others_cannot_open_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WHENCE_APP", raising=False)
    async with app.using(store=postgres_url, projecting=False) as accounts:
        with pytest.raises(WiringError, match="WHENCE_APP"):
            await accounts.rebuild(Balance, workers=2)
        with pytest.raises(ValueError, match="from 1 on, not 0"):
            await accounts.rebuild(Balance, workers=0)
        await accounts.rebuild(Balance)


async def test_some_rows_are_made_anew_in_place(accounts: App) -> None:
    table = accounts.read(Balance).table
    write = accounts.running.reads.database.write
    await write(lambda c: c.execute(table.update().values(balance=7)))
    await write(lambda c: c.execute(table.delete().where(table.c.account_id == "A2")))
    await accounts.rebuild(Balance, keys=["A1", "A2", "nobody"])
    assert (await accounts.verify(Balance)).found == 16
    await accounts.rebuild(Balance, where={"owner": "owner 0"})
    left = (await accounts.verify(Balance)).differences
    assert {one.kept.owner for one in left if one.kept} == {"owner 1", "owner 2"}


def test_it_is_the_same_without_awaiting(closed: App) -> None:
    with closed.sync as accounts:
        receipts = [accounts.send(Open(f"A{n}", f"owner {n}")) for n in range(3)]
        assert accounts.read(Balance).after(receipts[-1], 30).count() == 3
        seen: list[int] = []
        accounts.rebuild(Balance, lambda position, _: seen.append(position))
        assert seen[-1] == 3
        accounts.rebuild(Balance, keys=["A1"])
        assert accounts.verify(Balance).in_sync
