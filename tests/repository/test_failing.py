"""What fails leaves nothing behind, and what cannot be read is named."""

import asyncio
import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from whence import App
from whence.backends.sqlite import SqliteStore
from whence.errors import StoreError, Undecodable, UnknownType, Unstorable
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event

from .shop import Add, Fail, Remove, Troubled, shop, stock


@pytest.mark.parametrize(
    "how",
    [
        "adds in place",
        "appends in place",
        "yields, then refuses",
        "yields, then fails",
        "yields nonsense",
        "yields what cannot be stored",
    ],
)
async def test_a_decision_that_fails_leaves_nothing_behind(app: App, how: str) -> None:
    await app.send(Add("S1", ("a",)))
    for _ in range(2):
        with pytest.raises(
            Exception, match=r"No|bug|is not a message|cannot be stored|changes nothing"
        ):
            await app.send(Fail("S1", how))
    assert (await app.send(Add("S1", ("poison",)))).versions == {"stock-S1": 2}
    await app.send(Remove("S1", "a"))
    assert (await stock(app)).items == ["poison"]


async def test_events_that_the_aggregate_does_not_fold_count_as_versions(app: App) -> None:
    await app.send(Fail("S1", "not at all"))
    assert (await app.send(Add("S1", ("a",)))).versions == {"stock-S1": 2}
    assert (await stock(app)).version == 2


async def test_a_store_that_fails_leaves_nothing_behind() -> None:
    store = Troubled()
    async with shop(store) as app:
        await app.send(Add("S1", ("a",)))
        store.failing = 1
        with pytest.raises(StoreError, match="the disk is gone"):
            await app.send(Add("S1", ("b",)))
        assert (await app.send(Add("S1", ("b",)))).versions == {"stock-S1": 2}


async def test_what_is_too_large_for_the_store_is_refused_in_our_words(tmp_path: Path) -> None:
    async with shop(f"sqlite:///{tmp_path / 'shop.db'}") as app:
        store = app.running.store
        assert isinstance(store, SqliteStore)
        await store.execute(lambda c: c.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000))
        with pytest.raises(Unstorable, match=r"what Add leads to cannot be stored: .* too big"):
            await app.send(Add("S1", ("x" * 200_000,)))
        assert (await app.send(Add("S1", ("b",)))).versions == {"stock-S1": 1}


async def test_a_cancelled_command_leaves_nothing_behind_but_perhaps_its_events() -> None:
    store = Troubled()
    async with shop(store) as app:
        await app.send(Add("S1", ("a",)))
        store.gate = asyncio.Event()
        waiting = asyncio.create_task(app.send(Add("S1", ("b",))))
        await asyncio.sleep(0)
        behind = asyncio.create_task(app.send(Add("S1", ("c",))))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        store.gate.set()
        assert (await behind).versions == {"stock-S1": 2}
        assert (await stock(app)).items == ["a", "c"]


async def test_cancelled_commands_on_sqlite_are_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    async with shop(f"sqlite:///{tmp_path / 'shop.db'}") as app:
        sends = [asyncio.create_task(app.send(Add("S1", (f"{n}", f"{n}b")))) for n in range(60)]
        for n, send in enumerate(sends):
            if n % 3:
                await asyncio.sleep(0.0005 * (n % 5))
                send.cancel()
        results = await asyncio.gather(*sends, return_exceptions=True)
        items = (await stock(app)).items
        assert len(items) == len(set(items))
        assert all(items[n] + "b" == items[n + 1] for n in range(0, len(items), 2))
        for n, result in enumerate(results):
            assert isinstance(result, asyncio.CancelledError) or f"{n}" in items
        await app.send(Add("S1", ("last",)))
        assert (await stock(app)).items == [*items, "last"]


# What cannot be read.


async def test_an_event_that_nobody_knows_is_named(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    await app.running.store.append([commit(new_event("Lost", "stock-S1"))])
    with pytest.raises(UnknownType, match=r"'Lost', which is stored at position 2 \(stock-S1 ver"):
        await app.send(Remove("S1", "z"))
    with pytest.raises(UnknownType):
        await stock(app)


async def test_a_payload_that_does_not_fit_is_named(app: App) -> None:
    await app.running.store.append([commit(new_event("Added", "stock-S1", data=b'{"item":1}'))])
    with pytest.raises(
        Undecodable, match=r"the 'Added' at position 1 \(stock-S1 version 1\) does"
    ):
        await app.send(Add("S1", ("a",)))
