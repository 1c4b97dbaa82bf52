"""Promises about what keeps a commit from being stored."""

import asyncio

from whence.errors import Conflict
from whence.store import (
    ALL,
    LAST_POSITION,
    MOST_CONFLICTING,
    PAGE_EVENTS,
    Appended,
    EventQuery,
    EventStore,
    Item,
    any_of,
    in_stream,
    matching,
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


class ExpectedVersions(Suite):
    """Streams must be where the writer saw them."""

    async def test_a_stale_writer_is_refused(self, store: EventStore) -> None:
        await append(store, event("a", "s"), event("b", "s"), event("c", "s"))
        conflict = refused(await outcome(store, happened("s", expected=1)))
        assert (conflict.expected, conflict.actual) == ({"s": 1}, {"s": 3})
        assert [e.type for e in conflict.events] == ["b", "c"]

    async def test_a_writer_from_the_future_is_refused(self, store: EventStore) -> None:
        await append(store, event("a", "s"))
        conflict = refused(await outcome(store, happened("s", expected=2)))
        assert (conflict.expected, conflict.actual) == ({"s": 2}, {"s": 1})
        assert conflict.events == ()

    async def test_zero_means_not_there_yet(self, store: EventStore) -> None:
        assert stored(await outcome(store, happened("s", expected=0))).versions == {"s": 1}
        conflict = refused(await outcome(store, happened("s", expected=0)))
        assert conflict.actual == {"s": 1}

    async def test_a_missing_stream_is_at_zero(self, store: EventStore) -> None:
        conflict = refused(await outcome(store, happened("s", expected=1)))
        assert conflict.actual == {"s": 0}

    async def test_without_expectation_all_is_welcome(self, store: EventStore) -> None:
        for version in (1, 2, 3):
            assert stored(await outcome(store, happened("s"))).versions == {"s": version}

    async def test_a_stream_may_be_checked_only(self, store: EventStore) -> None:
        await append(store, event(stream="t"))
        checking = commit(event("a", "s"), expected={"s": 0, "t": 1, "u": 0})
        assert stored(await outcome(store, checking)).versions == {"s": 1}
        await append(store, event("moved", "t"))
        late = commit(event("b", "s"), expected={"s": 1, "t": 1})
        conflict = refused(await outcome(store, late))
        assert (conflict.expected, conflict.actual) == ({"t": 1}, {"t": 2})
        assert [e.type for e in conflict.events] == ["moved"]
        assert await types(store.read(in_stream("s"))) == ["a"]

    async def test_only_streams_that_moved_are_named(self, store: EventStore) -> None:
        await append(store, event("a", "s"), event("b", "t"), event("c", "u"))
        conflict = refused(
            await outcome(store, commit(event(), expected={"s": 0, "t": 1, "u": 0}))
        )
        assert (conflict.expected, conflict.actual) == ({"s": 0, "u": 0}, {"s": 1, "u": 1})
        assert [e.type for e in conflict.events] == ["a", "c"]

    async def test_what_came_between_is_in_the_order_of_the_log(self, store: EventStore) -> None:
        await append(store, event("a", "t"), event("b", "s"), event("c", "t"))
        for streams in ("s", "t"), ("t", "s"):
            late = commit(event(), expected=dict.fromkeys(streams, 0))
            assert [e.type for e in refused(await outcome(store, late)).events] == ["a", "b", "c"]

    async def test_a_commit_does_not_trip_over_itself(self, store: EventStore) -> None:
        both = commit(event(stream="s"), event(stream="s"), expected={"s": 0})
        assert stored(await outcome(store, both)).versions == {"s": 2}

    async def test_earlier_commits_of_the_call_count(self, store: EventStore) -> None:
        await append(store, event("a", "s"))
        outcomes = await store.append(
            [
                commit(event("b", "s"), expected={"s": 1}),
                commit(event("c", "s"), expected={"s": 1}),
            ]
        )
        stored(outcomes[0])
        conflict = refused(outcomes[1])
        assert [(e.type, e.version) for e in conflict.events] == [("b", 2)]
        assert conflict.events == tuple((await collect(store.read(ALL)))[1:])

    async def test_what_was_expected_of_the_call_is_not_listed(self, store: EventStore) -> None:
        outcomes = await store.append(
            [
                commit(event("a", "s"), expected={"s": 0}),
                commit(event("b", "s"), expected={"s": 1}),
                commit(event("c", "s"), expected={"s": 1}),
            ]
        )
        assert [type(o) for o in outcomes] == [Appended, Appended, Conflict]
        assert [e.type for e in refused(outcomes[2]).events] == ["b"]

    async def test_of_writers_at_once_one_wins(self, store: EventStore) -> None:
        racing = [outcome(store, happened("s", expected=0)) for _ in range(16)]
        outcomes = await asyncio.gather(*racing)
        assert sorted(type(o).__name__ for o in outcomes) == ["Appended"] + ["Conflict"] * 15
        assert len(await collect(store.read(ALL))) == 1

    async def test_a_conflict_lists_the_oldest_events(self, store: EventStore) -> None:
        await append(store, *[event(str(n), "s") for n in range(MOST_CONFLICTING + 5)])
        conflict = refused(await outcome(store, happened("s", expected=2)))
        assert [e.version for e in conflict.events] == list(range(3, MOST_CONFLICTING + 3))


class Unless(Suite):
    """No event may have appeared that the writer's decision did not see."""

    async def test_a_match_refuses_and_is_named(self, store: EventStore) -> None:
        await append(store, event("a", "s", "x:1"))
        conflict = refused(await outcome(store, commit(event("b"), unless=matching(["a"]))))
        assert (conflict.expected, conflict.actual) == ({}, {})
        assert list(conflict.events) == await collect(store.read(ALL))

    async def test_no_match_is_welcome(self, store: EventStore) -> None:
        await append(store, event("a", "s", "x:1"))
        for query in (matching(["b"]), matching(tags=["x:2"]), in_stream("t")):
            stored(await outcome(store, commit(event("c"), unless=query)))

    async def test_what_was_seen_does_not_count(self, store: EventStore) -> None:
        first = await append(store, event("a"))
        second = await append(store, event("a"))
        late = commit(event("b"), unless=matching(["a"]), after=first.position)
        assert [e.position for e in refused(await outcome(store, late)).events] == [
            second.position
        ]
        stored(
            await outcome(store, commit(event("b"), unless=matching(["a"]), after=second.position))
        )

    async def test_one_may_have_seen_more_than_the_last_match(self, store: EventStore) -> None:
        await append(store, event("a"))
        last = await append(store, event("other"))
        stored(
            await outcome(store, commit(event("b"), unless=matching(["a"]), after=last.position))
        )

    async def test_all_tags_of_an_item_must_be_there(self, store: EventStore) -> None:
        await append(store, event("a", "", "x:1", "y:2"))
        await append(store, event("a", "", "x:1", "z:3"))
        stored(await outcome(store, commit(event("b"), unless=matching(tags=["y:2", "z:3"]))))
        found = refused(
            await outcome(store, commit(event("b"), unless=matching(tags=["y:2", "x:1"])))
        )
        assert len(found.events) == 1

    async def test_one_type_of_an_item_is_enough(self, store: EventStore) -> None:
        await append(store, event("a"))
        refused(await outcome(store, commit(event("b"), unless=matching(["z", "a"]))))

    async def test_types_and_tags_of_an_item_must_both_fit(self, store: EventStore) -> None:
        await append(store, event("a", "", "x:1"), event("b", "", "x:2"))
        stored(await outcome(store, commit(event("c"), unless=matching(["a"], ["x:2"]))))
        refused(await outcome(store, commit(event("c"), unless=matching(["a"], ["x:1"]))))

    async def test_one_item_of_the_query_is_enough(self, store: EventStore) -> None:
        await append(store, event("a", "s", "x:1"))
        for right in (matching(["a"]), matching(tags=["x:1"]), in_stream("s")):
            query = any_of(matching(["z"], ["x:1"]), matching(tags=["q"]), right)
            refused(await outcome(store, commit(event("b"), unless=query)))

    async def test_all_means_every_event(self, store: EventStore) -> None:
        stored(await outcome(store, commit(event("a"), unless=ALL)))
        refused(await outcome(store, commit(event("b"), unless=ALL)))
        head = await store.head()
        stored(await outcome(store, commit(event("b"), unless=ALL, after=head)))

    async def test_a_commit_does_not_trip_over_itself_here(self, store: EventStore) -> None:
        alone = commit(event("a", "", "x:1"), event("a", "", "x:1"), unless=matching(["a"]))
        stored(await outcome(store, alone))

    async def test_earlier_commits_of_the_call_count_here(self, store: EventStore) -> None:
        taken = matching(["a"], ["x:1"])
        await append(store, event("seen"))
        outcomes = await store.append(
            [
                commit(event("a", "", "x:1"), unless=taken, after=1),
                commit(event("a", "", "x:1"), unless=taken, after=1),
                commit(event("a", "", "x:2"), unless=taken, after=1, expected={"s": 0}),
                commit(event("a", "", "x:2"), unless=matching(["a"], ["x:2"]), after=1),
            ]
        )
        assert [type(o) for o in outcomes] == [Appended, Conflict, Conflict, Appended]
        log = await collect(store.read(ALL))
        assert refused(outcomes[1]).events == (log[1],)

    async def test_but_not_those_before_the_position(self, store: EventStore) -> None:
        outcomes = await store.append(
            [
                commit(event("a")),
                commit(event("b"), unless=matching(["a"]), after=LAST_POSITION),
                commit(event("c"), unless=matching(["b"])),
            ]
        )
        assert [type(o) for o in outcomes] == [Appended, Appended, Conflict]

    async def test_of_claims_at_once_one_wins(self, store: EventStore) -> None:
        claim = matching(["claimed"], ["name:u1"])
        claims = [commit(event("claimed", "", "name:u1"), unless=claim) for _ in range(16)]
        outcomes = await asyncio.gather(*[outcome(store, c) for c in claims])
        assert sorted(type(o).__name__ for o in outcomes) == ["Appended"] + ["Conflict"] * 15

    async def test_versions_and_query_must_both_hold(self, store: EventStore) -> None:
        await append(store, event("a", "s"))
        seen = commit(event("b", "s"), expected={"s": 1}, unless=matching(["a"]))
        assert refused(await outcome(store, seen)).actual == {}
        fresh = commit(event("b", "s"), expected={"s": 0}, unless=matching(["z"]))
        assert refused(await outcome(store, fresh)).actual == {"s": 1}
        both = commit(event("b", "s"), expected={"s": 1}, unless=matching(["z"]))
        stored(await outcome(store, both))

    async def test_a_query_may_have_many_items(self, store: EventStore) -> None:
        items = tuple(Item(frozenset(["a"]), frozenset([f"x:{n}"])) for n in range(300))
        stored(await outcome(store, commit(event("a", "", "x:300"), unless=EventQuery(items))))
        await append(store, event("a", "", "x:299"))
        refused(await outcome(store, commit(event("b"), unless=EventQuery(items))))

    async def test_no_more_than_the_oldest_matches_are_listed(self, store: EventStore) -> None:
        first = await append(store, event("a"))
        await append(store, *[event("a")] * (MOST_CONFLICTING + 5))
        late = commit(event("b"), unless=matching(["a"]), after=first.position)
        conflict = refused(await outcome(store, late))
        log = await collect(store.read(ALL))
        assert list(conflict.events) == log[1 : MOST_CONFLICTING + 1]

    async def test_matches_that_lie_far_apart_are_all_listed(self, store: EventStore) -> None:
        for _ in range(3):
            await append(store, event("wanted"), *[event("other")] * PAGE_EVENTS)
        for deep in (matching(["wanted"]), matching(["wanted", *[f"t{n}" for n in range(100)]])):
            conflict = refused(await outcome(store, commit(event("b"), unless=deep)))
            assert [e.type for e in conflict.events] == ["wanted"] * 3
