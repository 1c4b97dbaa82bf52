"""Why a row is as it is: the events that made it, who caused them, and what each changed."""

from datetime import UTC, datetime

import pytest

import bank
from bank import Balance, DepositMoney, MoneyDeposited, OpenAccount, WithdrawMoney
from whence import App, Invalid, ReadModel, event, evolve
from whence.clock import ManualClock
from whence.envelope import NewEvent
from whence.errors import HandlerFailed, WiringError
from whence.store import Commit
from whence.why import Reason

from ..stores import Observed

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


async def history(app: App, clock: ManualClock) -> None:
    await app.send(OpenAccount("ACC1", "alice"), by="alice", id="c1")
    await app.send(OpenAccount("ACC2", "bob"), by="bob")
    clock.advance(hours=1)
    await app.send(
        DepositMoney("ACC1", 100), by="bob", id="c3", correlation="rent", causation="letter"
    )
    clock.advance(hours=1)
    await app.send(WithdrawMoney("ACC1", 30), by="alice", id="c4")


def short(reasons: list[Reason]) -> list[tuple[str, list[tuple[str, object, object]]]]:
    return [(one.type, [(c.path, c.before, c.after) for c in one.changes]) for one in reasons]


async def test_a_row_is_explained_by_what_changed_it_newest_first(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        await history(app, clock)

        reasons = await app.why(Balance, "ACC1")

        assert short(reasons) == [
            ("MoneyWithdrawn", [("balance", 100, 70)]),
            ("MoneyDeposited", [("balance", 0, 100)]),
            (
                "AccountOpened",
                [("account_id", None, "ACC1"), ("owner", None, "alice"), ("balance", None, 0)],
            ),
        ]


async def test_only_the_events_of_the_row_are_read() -> None:
    store = Observed()
    async with bank.app.using(store=store) as app:
        await app.send(OpenAccount("ACC1", "alice"))
        for number in range(50):
            await app.send(OpenAccount(f"OTHER{number}", "bob"))
        await app.send(DepositMoney("ACC1", 100))
        receipt = await app.send(DepositMoney("OTHER1", 100))
        assert await app.read(Balance).get("ACC1", after=receipt)
        await app.projections.pause(Balance)  # or it might read meanwhile
        store.reads.clear()

        assert len(await app.why(Balance, "ACC1")) == 2

        assert store.reads
        assert all(item.stream == "account-ACC1" for q in store.reads for item in q.items)


async def test_a_reason_says_who_when_and_where(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        await history(app, clock)

        reason = (await app.why(Balance, "ACC1", "balance"))[1]

        assert reason.event == MoneyDeposited("ACC1", 100)
        assert reason.time == datetime(2026, 11, 1, 10, tzinfo=UTC)
        assert (reason.stream, reason.version) == ("account-ACC1", 2)
        assert reason.position == reason.recorded.position
        assert (reason.command, reason.command_id, reason.by) == ("DepositMoney", "c3", "bob")
        assert (reason.correlation, reason.causation) == ("rent", "letter")


async def test_what_was_not_said_is_none(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        await app.send(OpenAccount("ACC1", "alice"))

        (reason,) = await app.why(Balance, "ACC1", "owner")

        assert (reason.by, reason.correlation, reason.causation) == (None, None, None)


async def test_a_column_is_explained_by_what_changed_it(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        await history(app, clock)

        assert short(await app.why(Balance, "ACC1", "owner")) == [
            ("AccountOpened", [("owner", None, "alice")])
        ]
        versions = await app.why(Balance, "ACC1", "version")
        assert [one.changes[0].after for one in versions] == [3, 2, 1]


async def test_the_latest_reasons_are_enough_if_so_wished(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        await history(app, clock)

        assert short(await app.why(Balance, "ACC1", limit=1)) == [
            ("MoneyWithdrawn", [("balance", 100, 70)])
        ]
        with pytest.raises(ValueError, match="a limit is 1 or more"):
            await app.why(Balance, "ACC1", limit=0)


async def test_what_never_was_has_no_reason(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        assert await app.why(Balance, "nobody") == []


async def test_a_question_that_cannot_be_is_refused(store_url: str) -> None:
    class Other(ReadModel):
        account_id: str

        @evolve
        def _(self, event: MoneyDeposited) -> None:
            pass

    async with bank.app.using(store=store_url) as app:
        with pytest.raises(WiringError, match="no column 'colour'; its columns: account_id, "):
            await app.why(Balance, "ACC1", "colour")
        with pytest.raises(Invalid, match="Expected `str`, got `int`"):
            await app.why(Balance, 1)
        with pytest.raises(WiringError, match="is not in this application"):
            await app.why(Other, "ACC1")


async def test_nobody_has_to_project(store_url: str) -> None:
    async with bank.app.using(store=store_url, projecting=False) as app:
        await app.send(OpenAccount("ACC1", "alice"))

        assert short(await app.why(Balance, "ACC1", "balance")) == [
            ("AccountOpened", [("balance", None, 0)])
        ]


@event
class Noted:
    page_id: str
    line: str


@event
class Rubbed:
    page_id: str


@event
class Torn:
    page_id: str


class Page(ReadModel):
    page_id: str
    lines: list[str] = []

    @evolve
    def _(self, event: Noted) -> None:
        self.lines.append(event.line)  # in place

    @evolve
    def _(self, event: Rubbed) -> None:
        self.lines.clear()

    @evolve
    def _(self, event: Torn) -> None:
        self.delete()


async def written(app: App, *events: object, stream: str = "") -> None:
    codec = app.wiring.events
    new = [
        NewEvent(codec.form(type(one)).message.word, codec.form(type(one)).keep(one), stream)
        for one in events
    ]
    done = await app.running.store.head()
    await app.running.store.append([Commit(f"{done}-{n}", [one]) for n, one in enumerate(new)])


async def test_what_is_changed_in_place_is_told_apart(store_url: str) -> None:
    async with App("pages", Page, store=store_url) as app:
        await written(app, Noted("P", "a"), Noted("P", "b"), Rubbed("P"), Rubbed("P"))

        assert short(await app.why(Page, "P", "lines")) == [
            ("Rubbed", [("lines", ["a", "b"], [])]),
            ("Noted", [("lines", ["a"], ["a", "b"])]),
            ("Noted", [("lines", None, ["a"])]),
        ]


async def test_a_row_that_was_deleted_and_came_again_tells_both(store_url: str) -> None:
    async with App("pages", Page, store=store_url) as app:
        await written(app, Noted("P", "a"), Torn("P"), Noted("P", "b"))

        assert short(await app.why(Page, "P")) == [
            ("Noted", [("page_id", None, "P"), ("lines", None, ["b"])]),
            ("Torn", [("page_id", "P", None), ("lines", ["a"], None)]),
            ("Noted", [("page_id", None, "P"), ("lines", None, ["a"])]),
        ]


async def test_an_event_that_is_where_nobody_expects_it_is_found(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        receipt = await app.send(OpenAccount("ACC1", "alice"))
        await written(app, MoneyDeposited("ACC1", 5), stream="account-ACC2")
        head = await app.running.store.head()
        assert head > receipt.position
        row = await app.read(Balance).get("ACC1", after=head)
        assert row is not None
        assert row.balance == 5

        assert short(await app.why(Balance, "ACC1", "balance")) == [
            ("MoneyDeposited", [("balance", 0, 5)]),
            ("AccountOpened", [("balance", None, 0)]),
        ]


async def test_an_event_that_cannot_be_folded_is_named(store_url: str) -> None:
    class Shares(ReadModel):
        page_id: str
        share: int = 0

        @evolve
        def _(self, event: Noted) -> None:
            self.share = 100 // len(event.line)

    async with App("pages", Shares, store=store_url, projecting=False) as app:
        await written(app, Noted("P", "a"), Noted("P", ""), Noted("Q", "b"))

        with pytest.raises(HandlerFailed, match="ZeroDivisionError"):
            await app.why(Shares, "P")
        assert len(await app.why(Shares, "Q")) == 1
