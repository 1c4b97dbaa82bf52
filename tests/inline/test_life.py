"""Inline read models through their life: built, changed, rebuilt, stopped, mended, killed."""

import asyncio
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from whence import App
from whence.building import Progress
from whence.store import PAGE_EVENTS

from ..accounts import Account, Deposit
from .accounts import (
    Balance,
    Doubled,
    append,
    bank,
    caught_up,
    checkpoint,
    deposited,
    fresh,
    rows,
    status,
)

ROOT = Path(__file__).parents[2]


def without(url: str) -> App:
    """An application on the same store that knows of no read model."""
    return App("bank", Account, store=url)


async def is_inline(app: App) -> bool:
    """Whether rows and checkpoint go along with an append, though nobody follows the log."""
    receipt = await app.send(Deposit("inline", 1))
    return await checkpoint(app) == receipt.position


async def test_a_new_one_is_built_from_the_log_and_then_inline(store_url: str) -> None:
    async with without(store_url) as app:
        await append(app, *(deposited(f"A{n % 50}", n % 10) for n in range(3 * PAGE_EVENTS)))
    async with bank(store_url).using(projecting=False) as app:
        assert not await is_inline(app)  # it is nobody's yet
    async with bank(store_url) as app:
        await app.read(Balance).after(await app.running.store.head(), 30)
        await caught_up(app)
        assert await rows(app) == await fresh(app)
    async with bank(store_url).using(projecting=False) as app:
        assert await is_inline(app)
        assert await rows(app) == await fresh(app)


async def test_what_others_appended_is_taken_along(store_url: str) -> None:
    async with bank(store_url) as app:
        await app.send(Deposit("A", 1))
    async with without(store_url) as app:
        await append(app, *(deposited("A", n % 10) for n in range(20)))
    async with bank(store_url).using(projecting=False) as app:
        assert await is_inline(app)
        assert await rows(app) == await fresh(app)


async def test_a_changed_one_is_built_beside_and_then_inline(store_url: str) -> None:
    async with bank(store_url) as app:
        await append(app, *(deposited(f"A{n % 50}", n % 10) for n in range(1_000)))
    async with bank(store_url, Doubled) as app:
        await caught_up(app)
        assert await rows(app, Doubled) == await fresh(app, Doubled)
        standing = await status(app)
        assert (standing.generation, standing.previous) == (2, True)
        await app.projections.clean(Doubled)
    async with bank(store_url, Doubled).using(projecting=False) as app:
        assert await is_inline(app)
        assert await rows(app, Doubled) == await fresh(app, Doubled)


async def test_two_versions_of_the_code_at_once(store_url: str) -> None:
    async with bank(store_url) as old:
        await append(old, *(deposited(f"A{n % 50}", n % 10) for n in range(500)))
        async with bank(store_url, Doubled) as new, without(store_url) as other:
            for n in range(60):
                app = (old, new, other)[n % 3]
                await app.send(Deposit(f"A{n}", n % 10))
            await caught_up(new)
            assert await rows(new, Doubled) == await fresh(new, Doubled)
            assert (await new.verify(Doubled)).in_sync
            for n in range(30):
                await (old, other)[n % 2].send(Deposit(f"A{n}", n % 10))
            receipt = await new.send(Deposit("A0", 1))
            await new.read(Doubled).after(receipt)
            assert await rows(new, Doubled) == await fresh(new, Doubled)


async def test_a_rebuild_ends_while_others_append(store_url: str) -> None:
    async with bank(store_url) as app:
        await append(app, *(deposited(f"A{n % 50}", n % 10) for n in range(1_000)))
        seen = list[tuple[int, int]]()
        progress: Progress = lambda position, head: seen.append((position, head))  # noqa: E731

        async def appending() -> None:
            for n in range(100_000):
                if done.is_set():
                    return
                receipt = await app.send(Deposit(f"A{n % 50}", n % 10))
                row = await app.read(Balance).get(f"A{n % 50}", after=receipt, timeout=0)
                assert row is not None
                assert row.version == receipt.versions[f"account-A{n % 50}"]

        done = asyncio.Event()
        load = asyncio.create_task(appending())
        await app.projections.rebuild(Balance, progress)
        assert not load.done()
        done.set()
        await load
        assert seen
        assert (await status(app)).generation == 2
        assert await rows(app) == await fresh(app)
        assert (await app.verify(Balance)).in_sync
        await app.projections.rollback(Balance)
        await caught_up(app)
        assert await rows(app) == await fresh(app)


async def test_it_can_be_paused_and_goes_on(store_url: str) -> None:
    async with bank(store_url) as app:
        await app.send(Deposit("A", 1))
        await app.projections.pause(Balance)
        await app.send(Deposit("A", 2))
        await app.send(Deposit("A", 13))  # nobody folds it yet
        row = await app.read(Balance).get("A")
        assert row is not None
        assert row.deposits == 1
        assert (await status(app)).state == "paused"
        await app.projections.resume(Balance)
        await caught_up(app)
        row = await app.read(Balance).get("A")
        assert row is not None
        assert row.deposits == 2
        assert [one.key for one in await app.projections.dead.keys()] == ["A"]


async def test_while_an_event_waits_others_are_kept_and_then_it_is_inline_again(
    store_url: str,
) -> None:
    async with bank(store_url) as app:
        await app.send(Deposit("A", 1))
        await app.projections.pause(Balance)
        await app.send(Deposit("A", 13))
        await app.projections.resume(Balance)
        await caught_up(app)
        await app.send(Deposit("A", 5))
        receipt = await app.send(Deposit("B", 6))
        row = await app.read(Balance).get("B", after=receipt)
        assert row is not None
        row = await app.read(Balance).get("A")
        assert row is not None
        assert row.balance == 1
        await app.projections.dead.skip(Balance, "A", reason="a test", by="ann")
        row = await app.read(Balance).get("A")
        assert row is not None
        assert row.balance == 6
    async with bank(store_url).using(projecting=False) as app:
        assert await is_inline(app)
        assert (await app.verify(Balance)).in_sync


async def test_what_is_spoilt_by_hand_is_found_and_mended(store_url: str) -> None:
    async with bank(store_url) as app:
        await append(app, *(deposited(f"A{n % 5}", n % 10) for n in range(50)))
        table = app.read(Balance).table
        database = next(
            one for one in app.running.reads.databases.values() if "read.db" not in one.url
        )
        spoil = update(table).where(table.c.account_id == "A1").values(balance=Decimal(99))
        await database.write(lambda c: c.execute(spoil))
        await database.write(lambda c: c.execute(table.delete().where(table.c.account_id == "A2")))
        found = await app.verify(Balance)
        assert {one.key: one.kind for one in found.differences} == {"A1": "wrong", "A2": "missing"}
        assert (await app.verify(Balance, repair=True)).in_sync
        assert await rows(app) == await fresh(app)
        assert await is_inline(app)


# Other processes.


def process(url: str, model: str, commands: int, die: Any = None) -> subprocess.Popen[str]:
    options = json.dumps({"url": url, "model": model, "commands": commands, "die": die})
    command = [sys.executable, "-m", "tests.inline.worker", options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


async def test_several_processes_append_at_once(store_url: str) -> None:
    async with bank(store_url) as app:
        await app.send(Deposit("A0", 1))
        others = [process(store_url, model, 40) for model in ("balance", "balance", "none")]
        for n in range(40):
            await app.send(Deposit(f"A{n % 7}", 1))
        for other in others:
            await asyncio.to_thread(other.communicate)
            assert other.returncode == 0
        await caught_up(app)
        assert await rows(app) == await fresh(app)
        assert (await app.verify(Balance)).in_sync


POINTS = {
    "sqlite": [
        ("before", "whence.backends.sql.inlining:OnSqlite.__call__"),
        ("after", "whence.backends.sql.inlining:OnSqlite.__call__"),
        ("before", "whence.backends.sql.inlining:AskedRows.row"),
        ("after", "whence.backends.sqlite.appending:Appender._transaction"),
    ],
    "postgres": [
        ("before", "whence.backends.sql.inlining:OnPostgres.keep"),
        ("after", "whence.backends.sql.inlining:OnPostgres.keep"),
        ("before", "whence.backends.sql.inlining:AskedRows.row"),
        ("after", "whence.backends.postgres.lane:Lane._judge_inline"),
    ],
}


@pytest.mark.parametrize("point", range(4))
async def test_whoever_is_killed_leaves_log_and_rows_equal(store_url: str, point: int) -> None:
    kind = "sqlite" if store_url.startswith("sqlite") else "postgres"
    async with bank(store_url) as app:
        await app.send(Deposit("A0", 1))
    dead = process(store_url, "balance", 20, (*POINTS[kind][point], 5))
    out, _ = await asyncio.to_thread(dead.communicate)
    assert dead.returncode == -9
    answered = len(out.splitlines()) - 1
    async with bank(store_url).using(projecting=False) as app:
        assert await rows(app) == await fresh(app)
        stored = await app.running.store.head()
        assert stored >= 1 + sum(1 + n % 2 for n in range(answered))
        assert await is_inline(app)
        assert await rows(app) == await fresh(app)
