"""Promises about odd names, any bytes and very much of them."""

from whence.envelope import NewEvent
from whence.store import ALL, EventStore, in_stream, matching, of_commit
from whence.testing.conformance.words import Suite, append, collect, commit, event, outcome, stored


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
