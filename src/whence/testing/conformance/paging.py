"""Promises about pages: which events they hold, in which order, and what they claim."""

import pytest

from whence.envelope import NewEvent, Recorded
from whence.store import ALL, PAGE_EVENTS, EventQuery, EventStore, any_of, in_stream, matching
from whence.testing.conformance.words import MANY, Suite, append, collect, event, types, write_many

EVERY_WAY = {
    "all": ALL,
    "stream": in_stream("even"),
    "type": matching(["even"]),
    "types": matching(["even", "other"]),
    "tag": matching(tags=["even:1"]),
    "tags": matching(tags=["even:1", "both:1"]),
    "type and tag": matching(["even"], ["even:1"]),
    "either": any_of(matching(["even"]), matching(tags=["even:1"]), in_stream("even")),
}


def expect(log: list[Recorded], query: EventQuery) -> list[Recorded]:
    """What must be found."""
    return [e for e in log if query.matches(e)]


class Paging(Suite):
    """Pages hold each matching event once, in order, and claim only what was scanned."""

    async def test_an_empty_log_has_one_empty_page(self, store: EventStore) -> None:
        for backwards in (False, True):
            (page,) = [page async for page in store.read(ALL, backwards=backwards)]
            assert list(page.events) == []

    async def test_forwards_is_oldest_first(self, store: EventStore) -> None:
        await append(store, event("a"), event("b"), event("c"))
        assert await types(store.read(ALL)) == ["a", "b", "c"]

    async def test_backwards_is_newest_first(self, store: EventStore) -> None:
        await append(store, event("a"), event("b"), event("c"))
        assert await types(store.read(ALL, backwards=True)) == ["c", "b", "a"]

    async def test_after_is_exclusive_both_ways(self, store: EventStore) -> None:
        for type in "abcd":
            await append(store, event(type, "s"))
        b = (await collect(store.read(ALL)))[1].position
        for query in (ALL, in_stream("s"), matching("abcd")):
            assert await types(store.read(query, after=b)) == ["c", "d"]
            assert await types(store.read(query, after=b, backwards=True)) == ["a"]

    async def test_after_may_lie_beyond_the_end(self, store: EventStore) -> None:
        last = await append(store, event("a", "s"))
        for query in (ALL, in_stream("s"), matching(["a"])):
            (page,) = [p async for p in store.read(query, after=last.position)]
            assert (list(page.events), page.scanned) == ([], last.position)
            beyond = last.position + 10
            assert await types(store.read(query, after=beyond)) == []
            assert await types(store.read(query, after=beyond, backwards=True)) == ["a"]

    async def test_every_way_to_ask_agrees_with_the_log(self, store: EventStore) -> None:
        await write_many(store)
        log = await collect(store.read(ALL))
        assert len(log) == 2 * MANY
        for way, query in EVERY_WAY.items():
            right = expect(log, query)
            assert await collect(store.read(query)) == right, way
            assert await collect(store.read(query, backwards=True)) == right[::-1], way

    async def test_from_the_middle_it_agrees_as_well(self, store: EventStore) -> None:
        await write_many(store)
        log = await collect(store.read(ALL))
        for way, query in EVERY_WAY.items():
            for middle in (log[777].position, log[-778].position):
                later = [e for e in expect(log, query) if e.position > middle]
                earlier = [e for e in expect(log, query) if e.position < middle]
                found = await collect(store.read(query, after=middle))
                assert found == later, way
                found = await collect(store.read(query, after=middle, backwards=True))
                assert found == earlier[::-1], way

    async def test_a_limit_counts_all_pages_together(self, store: EventStore) -> None:
        await write_many(store)
        log = await collect(store.read(ALL))
        for way, query in EVERY_WAY.items():
            right = expect(log, query)
            for limit in (1, PAGE_EVENTS, PAGE_EVENTS + 50):
                found = await collect(store.read(query, limit=limit))
                assert found == right[:limit], (way, limit)
                found = await collect(store.read(query, limit=limit, backwards=True))
                assert found == right[::-1][:limit], (way, limit)

    async def test_a_limit_of_nothing_is_refused(self, store: EventStore) -> None:
        for limit in (0, -1):
            with pytest.raises(ValueError, match="limit"):
                await collect(store.read(ALL, limit=limit))

    async def test_no_page_is_too_large(self, store: EventStore) -> None:
        await write_many(store)
        for query in EVERY_WAY.values():
            async for page in store.read(query):
                assert len(page.events) <= PAGE_EVENTS

    async def test_a_page_claims_what_it_delivered(self, store: EventStore) -> None:
        await write_many(store)
        head = await store.head()
        for query in EVERY_WAY.values():
            scanned = 0
            async for page in store.read(query):
                assert scanned <= page.scanned <= head
                assert all(scanned < e.position <= page.scanned for e in page.events)
                scanned = page.scanned

    async def test_the_last_page_claims_the_end(self, store: EventStore) -> None:
        await append(store, event("a", "s", "x:1"), event("b", "t"), event("c"))
        head = await store.head()
        for query in (
            ALL,
            matching(["a"]),
            in_stream("s"),
            matching(tags=["x:1"]),
            in_stream("no"),
        ):
            pages = [page async for page in store.read(query)]
            assert pages[-1].scanned == head

    async def test_a_page_claims_no_more_than_it_scanned(self, store: EventStore) -> None:
        await write_many(store)
        log = await collect(store.read(ALL))
        for way, query in EVERY_WAY.items():
            found: list[Recorded] = []
            after = 0
            for _ in range(len(log) // 10):  # one page, then again from where it claims to be
                before = after
                async for page in store.read(query, after=after):
                    found += page.events
                    after = page.scanned
                    break
                if after == before:
                    break
            assert found == expect(log, query), way

    async def test_backwards_a_page_claims_no_more_either(self, store: EventStore) -> None:
        await write_many(store)
        log = await collect(store.read(ALL))
        for way, query in EVERY_WAY.items():
            found: list[Recorded] = []
            after = 0
            for _ in range(len(log) // 10):
                async for page in store.read(query, after=after, backwards=True):
                    found += page.events
                    after = page.scanned
                    break
                if after == 1:
                    break
            assert found == expect(log, query)[::-1], way

    async def test_what_comes_while_reading_is_seen_or_not_claimed(
        self, store: EventStore
    ) -> None:
        await write_many(store)
        for way, query in EVERY_WAY.items():
            found: list[Recorded] = []
            claimed = 0
            async for page in store.read(query):
                found += page.events
                claimed = page.scanned
                await append(store, NewEvent("even", b"{}", "even", ("even:1", "both:1")))
                if len(found) > 2 * MANY + 50:
                    break
            log = await collect(store.read(ALL))
            right = [e for e in expect(log, query) if e.position <= claimed]
            assert found == right, way

    async def test_reading_goes_on_to_the_end_as_it_is_then(self, store: EventStore) -> None:
        await write_many(store)
        found: list[Recorded] = []
        async for page in store.read(ALL):
            if not found:
                await append(store, event("last"))
            found += page.events
        assert found == await collect(store.read(ALL))
        assert found[-1].type == "last"
