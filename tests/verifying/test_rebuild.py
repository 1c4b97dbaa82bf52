"""Rebuilding in each kind of database, under a load of commands and of questions."""

import asyncio

from whence import App

from .accounts import Balance, Deposit, Open


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
    subscription = accounts.running.subscription(Balance)
    assert await subscription.subscriber.controls.roll_back()
    head = await accounts.running.store.head()
    assert await accounts.read(Balance).after(head, 30).count() == 18
    assert (await accounts.verify(Balance)).in_sync
