"""Promises about which events a query finds."""

from itertools import product

from whence.envelope import Recorded
from whence.store import (
    ALL,
    EventQuery,
    EventStore,
    Item,
    any_of,
    bare,
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
    types,
    write_many,
)


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

    async def test_bare_events_are_all_that_a_fold_looks_at(self, store: EventStore) -> None:
        kinds = [event(type, stream, tag) for type in "ab" for stream in ("s", "") for tag in "xy"]
        await append(store, *kinds)
        of_types = [EventQuery((Item(frozenset([f"{n}"]), frozenset("x")),)) for n in range(100)]
        queries = [ALL, in_stream("s"), matching("a"), matching(tags="x"), matching("b", "y")]
        for query in (*queries, any_of(*queries[1:3]), any_of(queries[4], *of_types)):
            for after, backwards in product((0, 3), (False, True)):
                whole = store.read(query, after=after, backwards=backwards, limit=5)
                found = store.read(bare(query), after=after, backwards=backwards, limit=5)
                assert list(map(folded, await collect(found))) == list(
                    map(folded, await collect(whole))
                )

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
        there = range(600, 1_100)  # most items find nothing
        await append(store, *[event(f"t{n}", f"s{n}", f"x:{n}") for n in there])
        items = [
            item
            for n in range(0, 1_500, 5)
            for item in (
                Item(stream=f"s{n}"),
                Item(types=frozenset([f"t{n + 1}"])),
                Item(tags=frozenset([f"x:{n + 2}"])),
            )
        ]
        right = [f"t{n}" for n in there if n % 5 < 3]
        assert await types(store.read(EventQuery(tuple(items)))) == right
        found = await types(store.read(EventQuery(tuple(items)), backwards=True))
        assert found == right[::-1]

    async def test_a_tag_given_twice_counts_once(self, store: EventStore) -> None:
        await append(store, event("a", "", "x:1", "x:1", "y:2"))
        (found,) = await collect(store.read(matching(tags=["x:1", "y:2"])))
        assert found.tags == ("x:1", "x:1", "y:2")

    async def test_the_last_match_is_found_from_the_end(self, store: EventStore) -> None:
        await write_many(store)
        last = await collect(store.read(matching(["odd"]), backwards=True, limit=1))
        assert last == (await collect(store.read(ALL)))[-1:]


def folded(event: Recorded) -> tuple[int, str, int, str, bytes]:
    """What a fold looks at."""
    return event.position, event.stream, event.version, event.type, event.data
