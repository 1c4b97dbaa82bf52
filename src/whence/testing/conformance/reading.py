"""Promises about what a reader gets, in which order, and what its checkpoint may claim."""

import asyncio
import time

import pytest

from whence.envelope import NewEvent, Recorded
from whence.store import (
    ALL,
    PAGE_EVENTS,
    EventQuery,
    EventStore,
    Item,
    any_of,
    in_stream,
    matching,
    of_commit,
)
from whence.testing.conformance.words import (
    Suite,
    append,
    collect,
    commit,
    event,
    happened,
    outcome,
    stored,
    types,
)

MANY = 2 * PAGE_EVENTS + 100
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


async def write_many(store: EventStore) -> None:
    """As many events that are ``even``, in every respect, as are not."""
    even = NewEvent("even", b"{}", "even", ("even:1", "both:1"))
    odd = NewEvent("odd", b"{}", "odd", ("odd:1", "both:1"))
    await store.append([commit(*[even, odd] * 50) for _ in range(MANY // 50)])


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


class Selecting(Suite):
    """A query finds what it says and nothing else."""

    async def test_a_stream_is_not_its_neighbour(self, store: EventStore) -> None:
        names = ["s", "S", "s-", "s-1", "s-10", "s%", "s_1", "*", "s\n", " s", "é", "e\u0301"]
        await store.append([commit(event(name, name)) for name in names])
        for name in names:
            assert await types(store.read(in_stream(name))) == [name]

    async def test_a_type_is_not_its_neighbour(self, store: EventStore) -> None:
        names = ["t", "T", "t%", "t_", "t.", "t''", "ß", "ss"]
        await append(store, *[event(name) for name in names])
        for name in names:
            assert await types(store.read(matching([name]))) == [name]

    async def test_a_tag_is_not_its_neighbour(self, store: EventStore) -> None:
        names = ["x:1", "x:10", "X:1", "x", "1", "x:1 ", '["x:1"]', "x:1,y:2", "x:1\ny:2", "%"]
        await append(store, *[event(name, "", name) for name in names])
        for name in names:
            assert await types(store.read(matching(tags=[name]))) == [name]

    async def test_any_of_the_types(self, store: EventStore) -> None:
        await append(store, *[event(type) for type in "abcabc"])
        assert await types(store.read(matching(["a", "c", "z"]))) == list("acac")

    async def test_all_of_the_tags(self, store: EventStore) -> None:
        await append(
            store,
            event("both", "", "x:1", "y:2"),
            event("more", "", "y:2", "z:3", "x:1"),
            event("one", "", "x:1"),
            event("other", "", "y:2"),
            event("none"),
        )
        assert await types(store.read(matching(tags=["x:1", "y:2"]))) == ["both", "more"]

    async def test_types_and_tags_together(self, store: EventStore) -> None:
        await append(store, event("a", "", "x:1"), event("b", "", "x:1"), event("a", "", "x:2"))
        found = await collect(store.read(matching(["a"], ["x:1"])))
        assert [(e.type, e.tags) for e in found] == [("a", ("x:1",))]

    async def test_items_add_up_without_repeating(self, store: EventStore) -> None:
        await append(
            store, event("a", "s", "x:1"), event("b", "t"), event("c", "s"), event("d", "", "x:1")
        )
        query = any_of(in_stream("s"), matching(["a", "b"]), matching(tags=["x:1"]))
        assert await types(store.read(query)) == ["a", "b", "c", "d"]
        assert await types(store.read(query, backwards=True)) == ["d", "c", "b", "a"]

    async def test_a_stream_and_more(self, store: EventStore) -> None:
        await append(
            store, event("a", "s", "x:1"), event("b", "s", "x:1"), event("a", "s"), event("a", "t")
        )
        of_type = EventQuery((Item(frozenset(["a"]), stream="s"),))
        assert [e.version for e in await collect(store.read(of_type))] == [1, 3]
        with_tag = EventQuery((Item(frozenset(["a"]), frozenset(["x:1"]), stream="s"),))
        assert [e.version for e in await collect(store.read(with_tag))] == [1]

    async def test_a_commit_and_more(self, store: EventStore) -> None:
        once = commit(event("a", "s", "x:1"), event("b", "t"), event("a", "t"))
        await store.append([happened("s"), once, happened("t")])
        ways = {
            of_commit(once.id): ["a", "b", "a"],
            EventQuery((Item(commit_id=once.id, types=frozenset("b")),)): ["b"],
            EventQuery((Item(commit_id=once.id, stream="t"),)): ["b", "a"],
            EventQuery((Item(commit_id=once.id, tags=frozenset(["x:1"])),)): ["a"],
        }
        for query, right in ways.items():
            assert await types(store.read(query)) == right
            assert await types(store.read(query, backwards=True)) == right[::-1]

    async def test_many_items(self, store: EventStore) -> None:
        await append(store, *[event(f"t{n}", f"s{n}", f"x:{n}") for n in range(1_500)])
        items = [
            item
            for n in range(0, 1_500, 5)
            for item in (
                Item(stream=f"s{n}"),
                Item(types=frozenset([f"t{n + 1}"])),
                Item(tags=frozenset([f"x:{n + 2}"])),
            )
        ]
        right = [f"t{n}" for n in range(1_500) if n % 5 < 3]
        assert await types(store.read(EventQuery(tuple(items)))) == right
        found = await types(store.read(EventQuery(tuple(items)), backwards=True))
        assert found == right[::-1]

    async def test_a_tag_given_twice_counts_once(self, store: EventStore) -> None:
        await append(store, event("a", "", "x:1", "x:1", "y:2"))
        assert await types(store.read(matching(tags=["x:1", "y:2"]))) == ["a"]

    async def test_the_last_match_is_found_from_the_end(self, store: EventStore) -> None:
        await write_many(store)
        last = await collect(store.read(matching(["odd"]), backwards=True, limit=1))
        assert last == (await collect(store.read(ALL)))[-1:]


class HeadAndWaiting(Suite):
    """Where the log ends, and when it grows."""

    async def test_the_head_is_the_last_position(self, store: EventStore) -> None:
        assert await store.head() == 0
        for number in (1, 3):
            appended = await append(store, *[event()] * number)
            assert await store.head() == appended.position

    async def test_a_refused_commit_does_not_move_it(self, store: EventStore) -> None:
        appended = await append(store, event(stream="s"))
        await outcome(store, happened("s", expected=0))
        assert await store.head() == appended.position

    async def test_waiting_ends_when_an_event_comes(self, store: EventStore) -> None:
        head = (await append(store, event())).position
        begin = time.monotonic()
        waiting = [asyncio.create_task(store.wait(head, 3)) for _ in range(3)]
        await asyncio.sleep(0.02)
        await append(store, event())
        await asyncio.gather(*waiting)
        assert time.monotonic() - begin < 2

    async def test_nobody_waits_for_what_is_there(self, store: EventStore) -> None:
        await append(store, event())
        begin = time.monotonic()
        await store.wait(0, 3)
        assert time.monotonic() - begin < 2
        await store.wait(await store.head(), 0.1)  # a look at the end, where nothing comes
        await store.wait(0, 3)
        assert time.monotonic() - begin < 2

    async def test_waiting_ends_in_time(self, store: EventStore) -> None:
        await append(store, event())
        await asyncio.wait_for(store.wait(await store.head(), 0.05), 10)

    async def test_waiting_can_be_given_up_at_any_moment(self, store: EventStore) -> None:
        head = await store.head()
        for pause in range(40):  # some of them end just as the waiter is about to wake
            waiting = asyncio.create_task(store.wait(head, 30))
            await asyncio.sleep(0.001)
            head = (await append(store, event())).position
            for _ in range(pause % 8):
                await asyncio.sleep(0)
            gave_up = waiting.cancel()
            await asyncio.wait_for(asyncio.wait([waiting]), 10)
            assert waiting.cancelled() is gave_up

    async def test_a_follower_sees_each_event_soon(self, store: EventStore) -> None:
        seen: list[str] = []

        async def follow() -> None:
            after = 0
            while len(seen) < 20:
                await store.wait(after, 2)
                async for page in store.read(ALL, after=after):
                    seen.extend(e.type for e in page.events)
                    after = page.scanned

        following = asyncio.create_task(follow())
        for n in range(20):
            await append(store, event(str(n)))
        await asyncio.wait_for(following, 5)
        assert seen == [str(n) for n in range(20)]


class HostileInput(Suite):
    """Whatever can be said is kept as it is."""

    ODD = ("'; drop table events; --", '"', "\\", "%s{}?:1", "\t\r\n", "\x01\x7f", "🦆" * 100,
           "\u202eabc", "\ufeff", "null", "", "x" * 500)  # fmt: skip

    async def test_odd_names_come_back(self, store: EventStore) -> None:
        for n, odd in enumerate(self.ODD):
            given = NewEvent(odd or "empty", b"{}", odd, (odd, f"n:{n}") if odd else ())
            stored(await outcome(store, commit(given, id=odd or f"c{n}")))
        log = await collect(store.read(ALL))
        assert [(e.stream, e.tags[:1]) for e in log] == [(o, (o,) if o else ()) for o in self.ODD]
        for odd in filter(None, self.ODD):
            for query in (in_stream(odd), matching([odd]), matching(tags=[odd]), of_commit(odd)):
                assert [e.stream for e in await collect(store.read(query))] == [odd]

    async def test_any_bytes_come_back(self, store: EventStore) -> None:
        given = [b"", b"\x00", bytes(range(256)), b"{" * 1_000, "é".encode("utf-16")]
        await append(store, *[NewEvent("a", data, metadata=data or b"{}") for data in given])
        log = await collect(store.read(ALL))
        assert [e.data for e in log] == given
        assert [e.metadata for e in log][1:] == given[1:]

    async def test_a_huge_payload_comes_back(self, store: EventStore) -> None:
        huge = b"x" * 10_000_000
        await append(store, NewEvent("huge", huge, "s"), event("small", "s"))
        found = await collect(store.read(in_stream("s")))
        assert [len(e.data) for e in found] == [10_000_000, 2]
        assert found[0].data == huge

    async def test_pages_of_large_payloads_are_complete(self, store: EventStore) -> None:
        for n in range(12):
            await append(store, NewEvent("large", bytes([n]) * 2_000_000, "s", ("x:1",)))
        for query in (ALL, in_stream("s"), matching(["large"]), matching(tags=["x:1"])):
            found = [e.data[0] for e in await collect(store.read(query))]
            assert found == list(range(12))

    async def test_very_many_tags_come_back(self, store: EventStore) -> None:
        tags = tuple(f"x:{n}" for n in range(33_000))
        await append(store, NewEvent("tagged", b"{}", "s", tags))
        (found,) = await collect(store.read(matching(tags=["x:32999"])))
        assert found.tags == tags
        assert len(await collect(store.read(matching(tags=tags)))) == 1
        assert await collect(store.read(matching(tags=[*tags, "y:1"]))) == []
