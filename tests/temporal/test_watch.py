"""Watching a row: its value, then each change, without gaps, in any process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest

import bank
from bank import Account, AccountOpened, Balance, DepositMoney, MoneyDeposited, OpenAccount
from whence import App, ReadModel, WhenceError, event, evolve
from whence.backends.memory import MemoryStore
from whence.envelope import NewEvent
from whence.errors import HandlerFailed, Undecodable
from whence.folds import Fold
from whence.store import Commit, EventQuery, Page
from whence.watching import Beginning, Watching

from ..stores import Observed

PATIENCE = 30.0
"""Seconds after which something that should come never will."""


async def following(watched: AsyncGenerator[Any]) -> Any:
    return await asyncio.wait_for(anext(watched), PATIENCE)


async def seen(watched: AsyncGenerator[Balance | None], count: int) -> list[int | None]:
    """The next balances."""
    rows = [await following(watched) for _ in range(count)]
    return [None if row is None else row.balance for row in rows]


async def append(app: App, stream: str, *events: object) -> None:
    codec, store = app.wiring.events, app.running.store
    forms = [codec.form(type(one)) for one in events]
    new = [
        NewEvent(form.message.word, form.keep(one), stream)
        for form, one in zip(forms, events, strict=True)
    ]
    await store.append([Commit(f"{await store.head()}", new)])


async def test_the_value_comes_first_and_then_each_change(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        await app.send(OpenAccount("ACC1", "alice"))
        async with aclosing(app.read(Balance).watch("ACC1")) as watched:
            assert await following(watched) == Balance("ACC1", "alice", 0, version=1)

            for amount in (1, 2, 3):
                await app.send(DepositMoney("ACC1", amount))
            await app.send(OpenAccount("ACC2", "bob"))

            assert await seen(watched, 3) == [1, 3, 6]


async def test_what_is_not_there_yet_is_none(store_url: str) -> None:
    async with (
        bank.app.using(store=store_url) as app,
        aclosing(app.read(Balance).watch("ACC1")) as watched,
    ):
        assert await following(watched) is None
        await app.send(OpenAccount("ACC1", "alice"))
        assert await following(watched) == Balance("ACC1", "alice", 0, version=1)


async def test_the_first_value_shows_what_was_sent_before(store_url: str) -> None:
    async with bank.app.using(store=store_url, projecting=False) as app:
        await app.send(OpenAccount("ACC1", "alice"))
        await app.send(DepositMoney("ACC1", 5))

        async with aclosing(app.read(Balance).watch("ACC1")) as watched:
            assert await seen(watched, 1) == [5]


async def test_another_process_makes_the_changes(store_url: str) -> None:
    async with (
        bank.app.using(store=store_url, projecting=False) as reader,
        bank.app.using(store=store_url) as writer,
        aclosing(reader.read(Balance).watch("ACC1")) as watched,
    ):
        assert await following(watched) is None
        await writer.send(OpenAccount("ACC1", "alice"))
        await writer.send(DepositMoney("ACC1", 5))
        assert await seen(watched, 2) == [0, 5]


@event
class Noted:
    page_id: str
    line: str


@event
class Torn:
    page_id: str


class Pages(ReadModel):
    page_id: str
    lines: list[str] = []

    @evolve
    def _(self, event: Noted) -> None:
        self.lines.append(event.line)
        if event.line == "poison":
            raise ValueError("no such line")

    @evolve
    def _(self, event: Torn) -> None:
        self.delete()


async def test_a_deleted_row_is_none_and_may_come_again(store_url: str) -> None:
    async with App("pages", Pages, store=store_url) as app:
        await append(app, "", Noted("P", "a"))
        async with aclosing(app.read(Pages).watch("P")) as watched:
            first = await following(watched)
            await append(app, "", Noted("P", "b"), Torn("P"), Torn("P"), Noted("P", "c"))

            rows = [await following(watched) for _ in range(3)]

            assert first == Pages("P", ["a"], version=1)
            assert rows == [
                Pages("P", ["a", "b"], version=2), None, Pages("P", ["c"], version=1),
            ]  # fmt: skip


async def test_an_event_that_cannot_be_folded_ends_it_with_its_error(store_url: str) -> None:
    async with (
        App("pages", Pages, store=store_url, projecting=False) as app,
        aclosing(app.read(Pages).watch("P")) as watched,
        aclosing(app.read(Pages).watch("Q")) as other,
    ):
        assert await following(watched) is None
        assert await following(other) is None
        await append(app, "", Noted("P", "poison"), Noted("Q", "a"))

        with pytest.raises(HandlerFailed, match="no such line"):
            await following(watched)
        assert await following(other) == Pages("Q", ["a"], version=1)


async def test_an_event_that_cannot_be_read_ends_what_it_may_concern() -> None:
    store = MemoryStore()
    async with (
        bank.app.using(store=store, projecting=False) as app,
        aclosing(app.read(Balance).watch("ACC1")) as watched,
        aclosing(app.read(Balance).watch("ACC2")) as other,
    ):
        assert await following(watched) is None
        assert await following(other) is None
        broken = NewEvent("AccountOpened", b'{"account_id": 5}', "account-ACC1")
        await store.append([Commit("c1", [broken])])
        await app.send(OpenAccount("ACC2", "bob"))

        assert await seen(other, 1) == [0]
        with pytest.raises(Undecodable):
            await following(watched)


async def test_it_ends_when_the_application_is_closed(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        watched = app.read(Balance).watch("ACC1")
        assert await following(watched) is None
        waiting = asyncio.ensure_future(anext(watched, "the end"))
        await asyncio.sleep(0)

    assert await asyncio.wait_for(waiting, PATIENCE) == "the end"


async def test_nothing_is_watched_once_it_is_closed() -> None:
    (spec,) = bank.app.wiring.specs()
    fold: Fold[Any] = Fold(spec, bank.app.wiring.events)

    async def begin() -> Beginning[Any]:
        return Beginning(None, 0)

    watching = Watching(MemoryStore())
    await watching.close()

    with pytest.raises(WhenceError, match="is not open"):
        await anext(watching.watch(fold, "ACC1", begin))


async def test_who_begins_to_watch_while_it_is_closed_leaves_nothing_behind() -> None:
    (spec,) = bank.app.wiring.specs()
    fold: Fold[Any] = Fold(spec, bank.app.wiring.events)
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow(MemoryStore):
        async def head(self) -> int:
            asked.set()
            await answer.wait()
            return await super().head()

    async def begin() -> Beginning[Any]:
        return Beginning(None, 0)

    watching = Watching(Slow())
    beginning = asyncio.ensure_future(anext(watching.watch(fold, "ACC1", begin)))
    await asked.wait()
    await watching.close()
    answer.set()
    with pytest.raises(WhenceError, match="is not open"):
        await beginning
    assert not watching.busy


async def test_a_cancelled_watcher_is_forgotten(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        started = asyncio.Event()

        async def watch() -> None:
            async for _ in app.read(Balance).watch("ACC1"):
                started.set()

        task = asyncio.create_task(watch())
        await asyncio.wait_for(started.wait(), PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert not app.running.reads.folding.watching.busy


async def test_thousands_share_one_follower() -> None:
    store, many = Observed(), 1_000
    async with bank.app.using(store=store, projecting=False) as app:
        await app.send(OpenAccount("ACC1", "alice"))
        watched = [app.read(Balance).watch(f"ACC{n % 10}") for n in range(many)]
        await asyncio.gather(*map(following, watched))
        store.reads.clear()

        await app.send(DepositMoney("ACC1", 5))
        rows = await asyncio.gather(*(following(one) for one in watched[1::10]))

        assert {row.balance for row in rows} == {5}
        assert sum(query.everything for query in store.reads) <= 2
        for one in watched:
            await one.aclose()
        assert not app.running.reads.folding.watching.busy


async def test_who_is_slow_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whence.watching._MOST_WAITING", 3)
    async with bank.app.using(store="memory://", projecting=False) as app:
        await app.send(OpenAccount("ACC1", "alice"))
        async with aclosing(app.read(Balance).watch("ACC1")) as watched:
            assert await seen(watched, 1) == [0]
            for count in (2, 5, 10):
                before = await seen_so_far(app)
                for _ in range(count):
                    await app.send(DepositMoney("ACC1", 1))
                assert await seen(watched, count) == [before + n + 1 for n in range(count)]


async def seen_so_far(app: App) -> int:
    reasons = await app.why(Balance, "ACC1", "balance", limit=1)
    value: int = reasons[0].changes[0].after
    return value


class Slow(ReadModel):
    """Found by types, so that catching up reads others' events, too."""

    owner: str
    accounts: int = 0

    @evolve
    def _(self, event: AccountOpened) -> None:
        self.accounts += 1


async def test_without_gaps_while_others_write(store_url: str) -> None:
    app = App("bank", Account, Balance, Slow, store=store_url)
    async with app:
        await app.send(OpenAccount("ACC1", "alice"))

        async def write() -> None:
            for number in range(60):
                await app.send(DepositMoney("ACC1", 1))
                await app.send(OpenAccount(f"other{number}", "alice"))

        async def watch(delay: float) -> tuple[list[int], list[int]]:
            await asyncio.sleep(delay)
            async with (
                aclosing(app.read(Balance).watch("ACC1")) as balances,
                aclosing(app.read(Slow).watch("alice")) as owners,
            ):
                return (
                    [row.balance for row in await until(balances, "balance", 60)],
                    [row.accounts for row in await until(owners, "accounts", 61)],
                )

        watching = [asyncio.create_task(watch(n / 50)) for n in range(6)]
        await write()

        for balances, owners in await asyncio.gather(*watching):
            assert balances == list(range(balances[0], 61))
            assert owners == list(range(owners[0], 62))


async def until(watched: AsyncGenerator[Any], column: str, value: int) -> Sequence[Any]:
    rows = [await following(watched)]
    while getattr(rows[-1], column) != value:
        rows.append(await following(watched))
    return rows


class Interrupted(MemoryStore):
    """Cannot be read for a while."""

    fails = 0

    async def read(self, query: EventQuery, **how: Any) -> AsyncIterator[Page]:
        if self.fails:
            self.fails -= 1
            raise WhenceError("the store has gone away")
        async for page in super().read(query, **how):
            yield page


async def test_a_store_that_goes_away_and_comes_back_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("whence.watching._BACK_OFF", (0.01, 0.1))
    store = Interrupted()
    async with (
        bank.app.using(store=store, projecting=False) as app,
        aclosing(app.read(Balance).watch("ACC1")) as watched,
    ):
        assert await following(watched) is None
        store.fails = 3
        await append(app, "account-ACC1", AccountOpened("ACC1", "alice"))
        await append(app, "account-ACC1", MoneyDeposited("ACC1", 5))

        assert await seen(watched, 2) == [0, 5]
    assert "the store has gone away" in caplog.text


async def test_only_one_row_as_it_is_now_is_watched(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        with pytest.raises(ValueError, match="as it is now"):
            app.read(Balance).as_of(0).watch("ACC1")
        with pytest.raises(ValueError, match="as it is now"):
            app.read(Balance).where(owner="alice").watch("ACC1")
