"""Promises about where the log ends, and about waiting for it to grow."""

import asyncio
import time

from whence.store import ALL, EventStore
from whence.testing.conformance.words import Suite, append, event, happened, outcome


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
