"""What is cached is only ever a baseline."""

import pytest

from whence import App, Rejected

from ..stores import Observed
from .shop import Add, Remove, Rename, shop, stock


async def test_what_another_application_has_written_cannot_lead_to_a_wrong_refusal(
    two: tuple[App, App],
) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Remove("S1", "a"))
    assert (await one.send(Add("S1", ("a",)))).versions == {"stock-S1": 3}


async def test_nor_to_a_wrong_acceptance(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Add("S1", ("b",)))
    with pytest.raises(Rejected, match="There is b already"):
        await one.send(Add("S1", ("b",)))
    with pytest.raises(Rejected, match="There is a already"):
        await other.send(Add("S1", ("a",)))


async def test_nor_to_doing_nothing_where_there_is_something_to_do(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Rename("S1", "x"))
    await other.send(Rename("S1", "y"))
    assert (await one.send(Rename("S1", "x"))).versions == {"stock-S1": 3}
    assert (await one.send(Rename("S1", "x"))).events == ()


async def test_nor_to_a_sender_being_told_that_the_version_that_it_saw_is_not_there(
    two: tuple[App, App],
) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    seen = await other.send(Add("S1", ("b",)))
    receipt = await one.send(Remove("S1", "a"), version=seen.versions["stock-S1"])
    assert receipt.versions == {"stock-S1": 3}


async def test_a_refusal_after_an_event_is_looked_at_again_too(two: tuple[App, App]) -> None:
    one, other = two
    await one.send(Add("S1", ("a",)))
    await other.send(Remove("S1", "a"))
    assert (await one.send(Add("S1", ("b", "a")))).versions == {"stock-S1": 4}
    assert (await stock(one)).items == ["b", "a"]


async def test_what_is_cached_is_not_read_again() -> None:
    store = Observed()
    async with shop(store) as app:
        for n in range(5):
            await app.send(Add("S1", (str(n),)))
        assert len(store.reads) == 1


async def test_nor_after_a_decision_that_changed_nothing() -> None:
    store = Observed()
    async with shop(store) as app:
        for n in range(5):
            await app.send(Add("S1", (str(n),)))
        for _ in range(3):
            assert (await app.send(Rename("S1", ""))).events == ()
            with pytest.raises(Rejected):
                await app.send(Remove("S1", "9"))
        assert store.events == 0


async def test_only_so_many_are_cached_and_the_least_used_goes_first() -> None:
    store = Observed()
    async with shop(store, cached=2) as app:
        for id in ("S1", "S2", "S1", "S3", "S1"):
            await app.send(Rename(id, str(store.appends)))
        assert len(store.reads) == 3
        await app.send(Rename("S2", "again"))
        assert len(store.reads) == 4
        await app.send(Rename("S3", "again"))
        assert len(store.reads) == 5


async def test_nothing_is_cached_if_nothing_shall_be() -> None:
    store = Observed()
    async with shop(store, cached=0) as app:
        await app.send(Add("S1", ("a",)))
        await app.send(Add("S1", ("b",)))
        assert len(store.reads) == 2


async def test_what_a_caller_is_shown_is_not_what_is_cached(app: App) -> None:
    await app.send(Add("S1", ("a",)))
    (await stock(app)).items.append("poison")
    await app.send(Remove("S1", "a"))
    assert (await stock(app)).items == []
