"""Promises about odd names, any bytes and very much of them."""

import asyncio

import pytest

from whence.envelope import NewEvent
from whence.store import (
    ALL,
    LAST_POSITION,
    EventQuery,
    EventStore,
    Item,
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
    refused,
    stored,
    types,
)


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

    async def test_numbers_that_mean_nothing_are_refused(self, store: EventStore) -> None:
        await append(store, event("a", "s"))
        for query in (ALL, in_stream("s"), matching(["a"])):
            for after in (-1, LAST_POSITION + 1, -(2**70), 2**70):
                for backwards in (False, True):
                    with pytest.raises(ValueError, match="no version or position"):
                        await collect(store.read(query, after=after, backwards=backwards))
            assert await types(store.read(query, after=LAST_POSITION)) == []
            assert await types(store.read(query, after=LAST_POSITION, backwards=True)) == ["a"]
            assert await types(store.read(query, limit=2**70)) == ["a"]

    async def test_the_greatest_numbers_can_be_expected(self, store: EventStore) -> None:
        await append(store, event("a", "s"))
        conflict = refused(await outcome(store, happened("s", expected=LAST_POSITION)))
        assert (conflict.actual, conflict.events) == ({"s": 1}, ())
        unseen = commit(event("b"), unless=matching(["a"]), after=LAST_POSITION)
        stored(await outcome(store, unseen))

    async def test_a_refused_question_harms_nobody(self, store: EventStore) -> None:
        await append(store, event("a"))
        asked = [collect(store.read(ALL, after=-1)) for _ in range(5)]
        told = [collect(store.read(ALL)) for _ in range(5)]
        mixed = [each for pair in zip(asked, told, strict=True) for each in pair]
        found = await asyncio.gather(*mixed, return_exceptions=True)
        assert [isinstance(each, ValueError) for each in found] == [True, False] * 5
        assert [len(each) for each in found[1::2] if isinstance(each, list)] == [1] * 5

    async def test_a_condition_on_very_many_streams(self, store: EventStore) -> None:
        await append(store, event("a", "s7"))
        everywhere = {f"s{n}": 0 for n in range(20_000)}
        conflict = refused(await outcome(store, commit(event(), expected=everywhere)))
        assert (conflict.expected, conflict.actual) == ({"s7": 0}, {"s7": 1})
        stored(await outcome(store, commit(event(), expected=everywhere | {"s7": 1})))

    async def test_a_very_deep_query(self, store: EventStore) -> None:
        names = [f"n{number}" for number in range(5_000)]
        await append(store, event("n7", "n8", "n9"), event("other"), event("n4999"))
        everything = Item(frozenset(names), frozenset(["n9"]))
        items = [Item(frozenset(names[at : at + 50])) for at in range(0, 5_000, 50)]
        deep = EventQuery((everything, *items, *[Item(stream=name) for name in names]))
        assert await types(store.read(deep)) == ["n7", "n4999"]
        assert await types(store.read(deep, backwards=True)) == ["n4999", "n7"]
        conflict = refused(await outcome(store, commit(event(), unless=deep)))
        assert [e.type for e in conflict.events] == ["n7", "n4999"]
