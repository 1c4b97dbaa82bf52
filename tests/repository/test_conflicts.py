"""Conflicts are decided again, unless the sender said which version it had seen."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from whence import App, Conflict, Rejected, Stale
from whence.testing.conformance.words import commit
from whence.testing.conformance.words import event as new_event

from ..stores import Racing
from .shop import Add, OpenApp, Remove, Rename, shop, stock


async def test_a_conflict_is_decided_again_on_the_latest() -> None:
    store = Racing()
    async with shop(store) as app:
        await app.send(Add("S1", ("a",)))
        store.ahead = commit(
            new_event("Removed", "stock-S1", data=b'{"stock_id":"S1","item":"a"}')
        )
        with pytest.raises(Rejected, match="There is no a"):
            await app.send(Remove("S1", "a"))
        store.ahead = commit(new_event("Added", "stock-S1", data=b'{"stock_id":"S1","item":"b"}'))
        assert (await app.send(Add("S1", ("c",)))).versions == {"stock-S1": 4}
        assert (await stock(app)).items == ["b", "c"]


async def test_two_applications_at_one_aggregate_lose_and_repeat_nothing(
    open_app: OpenApp,
) -> None:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(open_app()) for _ in range(2)]
        sent = [str(n) for n in range(200)]
        receipts = await asyncio.gather(
            *(apps[n % 2].send(Add("S1", (item,))) for n, item in enumerate(sent))
        )
        versions = sorted(receipt.versions["stock-S1"] for receipt in receipts)
        assert versions == list(range(1, 201))
        assert sorted((await stock(apps[0])).items) == sorted(sent)


async def test_two_applications_never_accept_what_only_one_may(open_app: OpenApp) -> None:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(open_app()) for _ in range(2)]
        results = await asyncio.gather(
            *(apps[n % 2].send(Add("S1", (str(n // 4),))) for n in range(80)),
            return_exceptions=True,
        )
        assert sum(isinstance(result, Rejected) for result in results) == 60
        assert sorted((await stock(apps[1])).items, key=int) == [str(n) for n in range(20)]


# What the sender had seen.


async def test_a_sender_that_has_seen_the_latest_may_go_on(app: App) -> None:
    assert (await app.send(Add("S1", ("a",)), version=0)).versions == {"stock-S1": 1}
    assert (await app.send(Remove("S1", "a"), version=1)).versions == {"stock-S1": 2}


async def test_a_sender_that_has_not_is_told_what_came_between(app: App) -> None:
    await app.send(Add("S1", ("a", "b")))
    await app.send(Remove("S1", "a"))
    with pytest.raises(Stale) as caught:
        await app.send(Remove("S1", "b"), version=1)
    stale = caught.value
    assert (stale.expected, stale.actual) == ({"stock-S1": 1}, {"stock-S1": 3})
    assert [(between.version, between.type) for between in stale.events] == [
        (2, "Added"),
        (3, "Removed"),
    ]
    assert str(stale) == (
        "stock-S1 is at version 3, not 1; meanwhile:\n  stock-S1 2: Added\n  stock-S1 3: Removed"
    )
    assert isinstance(stale, Conflict)


async def test_what_another_application_wrote_is_among_it(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Add("S1", ("b",)))
    await other.send(Remove("S1", "b"))
    with pytest.raises(Stale) as caught:
        await one.send(Remove("S1", "a"), version=1)
    assert caught.value.actual == {"stock-S1": 3}
    assert [between.version for between in caught.value.events] == [2, 3]


async def test_events_that_commute_are_let_through(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Rename("S1", "x"))
    assert (await one.send(Add("S1", ("b",)), version=1)).versions == {"stock-S1": 3}
    with pytest.raises(Stale):
        await other.send(Rename("S1", "y"), version=1)


async def test_all_of_them_must_commute(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    await app.send(Rename("S1", "x"))
    await app.send(Add("S1", ("b",)))
    assert (await app.send(Add("S1", ("c",)), version=3)).events
    with pytest.raises(Stale):
        await app.send(Add("S1", ("d",)), version=1)
    with pytest.raises(Stale):
        await app.send(Remove("S1", "a"), version=1)


async def test_a_version_that_is_not_there_yet_is_stale_too(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    with pytest.raises(Stale, match="stock-S1 is at version 1, not 9") as caught:
        await app.send(Remove("S1", "a"), version=9)
    assert caught.value.events == ()
    assert (await app.send(Remove("S1", "a"), version=1)).versions == {"stock-S1": 2}


async def test_a_refusal_counts_more_than_being_stale(app: App) -> None:
    await app.send(Add("S1", ("a", "b")))
    with pytest.raises(Rejected):
        await app.send(Remove("S1", "z"), version=1)


async def test_a_stale_sender_leaves_nothing_behind(app: App) -> None:
    await app.send(Add("S1", ("a", "b")))
    with pytest.raises(Stale):
        await app.send(Remove("S1", "b"), version=1)
    with pytest.raises(Rejected):
        await app.send(Add("S1", ("b",)))
