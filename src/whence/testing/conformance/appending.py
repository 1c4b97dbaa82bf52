"""Promises about what is stored, and where it stands."""

import asyncio

from whence.envelope import NewEvent, Recorded
from whence.errors import Conflict
from whence.store import ALL, Appended, EventStore, in_stream, matching, of_commit
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


class Appending(Suite):
    """A commit is stored as it was given, all of it, side by side."""

    async def test_the_version_counts_the_events_of_a_stream(self, store: EventStore) -> None:
        first = await append(store, event("a", "s"), event("b", "s"))
        second = await append(store, event("c", "s"))
        assert (first.versions, second.versions) == ({"s": 2}, {"s": 3})
        found = await collect(store.read(in_stream("s")))
        assert [(e.type, e.version) for e in found] == [("a", 1), ("b", 2), ("c", 3)]

    async def test_positions_grow_across_streams(self, store: EventStore) -> None:
        for stream in ("s", "t", "", "s"):
            await append(store, event(stream=stream))
        positions = [e.position for e in await collect(store.read(ALL))]
        assert len(positions) == 4
        assert positions == sorted(set(positions))
        assert positions[0] >= 1

    async def test_the_outcome_names_the_last_position(self, store: EventStore) -> None:
        appended = await append(store, event("a", "s"), event("b", "t"))
        (_, last) = await collect(store.read(ALL))
        assert appended == Appended(last.position, {"s": 1, "t": 1}, duplicate=False)

    async def test_an_event_comes_back_as_it_was_given(self, store: EventStore) -> None:
        given = NewEvent("paid", b"\x00\xff{}", "order-1", ("b:2", "a:1"), b'{"by":"me"}', 1_234)
        appended = stored(await outcome(store, commit(given, id="the-commit")))
        found = await collect(store.read(ALL))
        assert found == [
            Recorded(
                appended.position, "order-1", 1, "paid", b"\x00\xff{}", ("b:2", "a:1"),
                b'{"by":"me"}', 1_234, "the-commit", 0,
            )
        ]  # fmt: skip
        assert found[0].id == "the-commit.0"

    async def test_an_event_from_before_1970_keeps_its_time(self, store: EventStore) -> None:
        await append(store, NewEvent("born", b"{}", micros=-1))
        assert [e.micros for e in await collect(store.read(ALL))] == [-1]

    async def test_one_commit_may_write_to_several_streams(self, store: EventStore) -> None:
        await append(store, event(stream="s"))
        appended = await append(
            store, event("a", "s"), event("b", "t"), event("c", "s"), event("d")
        )
        assert appended.versions == {"s": 3, "t": 1}
        assert await types(store.read(in_stream("s"))) == ["happened", "a", "c"]
        assert await types(store.read(in_stream("t"))) == ["b"]

    async def test_an_event_may_belong_to_no_stream(self, store: EventStore) -> None:
        appended = await append(store, event("a"), event("a"), event("b"))
        found = await collect(store.read(matching(["a"])))
        assert [(e.stream, e.version) for e in found] == [("", 0), ("", 0)]
        assert appended.versions == {}

    async def test_the_events_of_a_commit_are_numbered_in_order(self, store: EventStore) -> None:
        await asyncio.gather(*[append(store, *[event(stream="s")] * 3) for _ in range(8)])
        found = await collect(store.read(ALL))
        assert [e.ordinal for e in found] == [0, 1, 2] * 8
        assert [len({e.commit_id for e in found[i : i + 3]}) for i in range(0, 24, 3)] == [1] * 8
        assert [e.version for e in found] == list(range(1, 25))

    async def test_commits_of_one_call_are_stored_in_turn(self, store: EventStore) -> None:
        outcomes = await store.append(
            [happened("s", expected=0), happened("s", 2, expected=1), happened("t", expected=0)]
        )
        assert [stored(o).versions for o in outcomes] == [{"s": 1}, {"s": 3}, {"t": 1}]
        positions = [stored(o).position for o in outcomes]
        assert positions == sorted(positions)

    async def test_appending_nothing_is_no_work(self, store: EventStore) -> None:
        assert await store.append([]) == []
        assert await store.head() == 0

    async def test_a_large_call_is_stored_whole(self, store: EventStore) -> None:
        outcomes = await store.append([happened(f"s{n % 7}", 3) for n in range(700)])
        assert all(isinstance(o, Appended) for o in outcomes)
        assert len(await collect(store.read(ALL))) == 2_100


class Idempotency(Suite):
    """A commit id is stored once, however often it is appended."""

    async def test_the_first_outcome_is_returned_again(self, store: EventStore) -> None:
        once = commit(event("a", "s"), event("b", "t"), event("c"))
        first = stored(await outcome(store, once))
        await append(store, event(stream="s"))
        again = stored(await outcome(store, once))
        assert again == Appended(first.position, {"s": 1, "t": 1}, duplicate=True)
        assert len(await collect(store.read(ALL))) == 4

    async def test_even_when_its_condition_no_longer_holds(self, store: EventStore) -> None:
        once = commit(event("a", "s"), expected={"s": 0}, unless=matching(["a"]))
        first = stored(await outcome(store, once))
        assert await outcome(store, once) == Appended(first.position, {"s": 1}, duplicate=True)

    async def test_even_twice_in_one_call(self, store: EventStore) -> None:
        once = happened("s", expected=0)
        first, again = map(stored, await store.append([once, once]))
        assert (first.duplicate, again.duplicate) == (False, True)
        assert (again.position, again.versions) == (first.position, first.versions)
        assert len(await collect(store.read(ALL))) == 1

    async def test_even_when_all_come_at_once(self, store: EventStore) -> None:
        once = happened("s", 2)
        found = await asyncio.gather(*[outcome(store, once) for _ in range(8)])
        outcomes = [stored(each) for each in found]
        assert sorted(o.duplicate for o in outcomes) == [False] + [True] * 7
        assert len({o.position for o in outcomes}) == 1
        assert len(await collect(store.read(ALL))) == 2

    async def test_even_when_it_now_says_something_else(self, store: EventStore) -> None:
        stored(await outcome(store, commit(event("a", "s"), id="same")))
        assert stored(await outcome(store, commit(event("b", "t"), id="same"))).duplicate
        assert await types(store.read(ALL)) == ["a"]

    async def test_a_repeated_commit_harms_no_neighbour(self, store: EventStore) -> None:
        once = happened("s")
        await store.append([once])
        outcomes = await asyncio.gather(
            *[outcome(store, happened(f"t{n}", expected=0)) for n in range(4)],
            outcome(store, once),
            *[outcome(store, happened(f"u{n}", expected=0)) for n in range(4)],
        )
        assert [stored(o).duplicate for o in outcomes] == [False] * 4 + [True] + [False] * 4
        assert len(await collect(store.read(ALL))) == 9

    async def test_a_refused_commit_may_try_again(self, store: EventStore) -> None:
        late = commit(event("a", "s"), id="late", expected={"s": 1})
        refused(await outcome(store, late))
        await append(store, event(stream="s"))
        assert not stored(await outcome(store, late)).duplicate

    async def test_a_commit_is_found_by_its_id(self, store: EventStore) -> None:
        await append(store, event("x", "s"))
        await store.append([commit(event("a", "s"), event("b"), event("c", "t"), id="mine")])
        await append(store, event("y", "s"))
        found = await collect(store.read(of_commit("mine")))
        assert [(e.type, e.id) for e in found] == [
            ("a", "mine.0"),
            ("b", "mine.1"),
            ("c", "mine.2"),
        ]
        assert await collect(store.read(of_commit("nobody"))) == []


class Neighbours(Suite):
    """Each commit has its own outcome. A refused one stores nothing and harms nobody."""

    async def test_a_refused_commit_stores_nothing(self, store: EventStore) -> None:
        await append(store, event(stream="t"))
        bad = commit(event(stream="s"), event(stream="t", type="b"), expected={"t": 0})
        refused(await outcome(store, bad))
        assert await types(store.read(ALL)) == ["happened"]
        assert stored(await outcome(store, happened("s", expected=0))).versions == {"s": 1}

    async def test_in_one_call_the_others_are_stored(self, store: EventStore) -> None:
        outcomes = await store.append(
            [
                happened("s", expected=0),
                happened("s", expected=0),
                happened("s", expected=1),
                happened("s", expected=2),
            ]
        )
        assert [type(o) for o in outcomes] == [Appended, Conflict, Appended, Appended]
        assert [e.version for e in await collect(store.read(in_stream("s")))] == [1, 2, 3]

    async def test_in_calls_at_once_the_others_are_stored(self, store: EventStore) -> None:
        good = [happened(f"s{n}", expected=0) for n in range(8)]
        bad = [happened(f"s{n}", expected=5) for n in range(8)]
        mixed = [c for pair in zip(good, bad, strict=True) for c in pair]
        outcomes = await asyncio.gather(*[outcome(store, c) for c in mixed])
        assert [type(o) for o in outcomes] == [Appended, Conflict] * 8
        found = await collect(store.read(ALL))
        assert {e.commit_id for e in found} == {c.id for c in good}

    async def test_a_cancelled_caller_leaves_all_or_nothing(self, store: EventStore) -> None:
        commits = [happened(f"s{n}", 3) for n in range(12)]
        tasks = [asyncio.create_task(outcome(store, c)) for c in commits]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await append(store, event())
        for n, each in enumerate(commits):
            found = await collect(store.read(of_commit(each.id)))
            assert len(found) in ((0, 3) if n % 2 == 0 else (3,))
