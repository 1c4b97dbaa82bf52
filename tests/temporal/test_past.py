"""Read models as they were: one row by its own events, tables by the log, and what differs."""

import asyncio
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bank
from bank import Balance, DepositMoney, OpenAccount, WithdrawMoney
from whence import App, Receipt
from whence.clock import ManualClock
from whence.errors import NotFound, Rejected, WiringError
from whence.temporal import RowChange

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


async def history(app: App, clock: ManualClock) -> list[Receipt]:
    """One command an hour."""
    receipts: list[Receipt] = []
    for command in (
        OpenAccount("ACC1", "alice"),
        DepositMoney("ACC1", 100),
        OpenAccount("ACC2", "bob"),
        DepositMoney("ACC2", 5),
        WithdrawMoney("ACC1", 30),
    ):
        receipts.append(await app.send(command))
        clock.advance(hours=1)
    return receipts


def balances(rows: list[Balance]) -> list[tuple[str, int]]:
    return [(row.account_id, row.balance) for row in rows]


async def test_a_row_is_what_it_was_then(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        receipts = await history(app, clock)
        rows = app.read(Balance)

        assert await rows.as_of(receipts[1]).get("ACC1") == Balance(
            "ACC1", "alice", 100, version=2
        )
        assert await rows.as_of(receipts[0].position).get("ACC1") == Balance(
            "ACC1", "alice", 0, version=1
        )
        assert await rows.as_of(receipts[0]).get("ACC2") is None
        assert await rows.as_of(0).get("ACC1") is None


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-01T09:00", [("ACC1", 0)]),
        ("2026-11-01T10:59:59.999999+00:00", [("ACC1", 100)]),
        ("2026-11-01T12:30+01:00", [("ACC1", 100), ("ACC2", 0)]),
        (datetime(2026, 11, 1, 12, tzinfo=UTC), [("ACC1", 100), ("ACC2", 5)]),
        (date(2026, 11, 2), [("ACC1", 70), ("ACC2", 5)]),
        ("2026-11-01", []),
        ("2099-01-01", [("ACC1", 70), ("ACC2", 5)]),
    ],
)
async def test_a_table_is_what_it_was_at_a_time(
    store_url: str, moment: Any, expected: list[tuple[str, int]]
) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        await history(app, clock)

        then = app.read(Balance).as_of(moment).order_by("account_id")

        assert balances(await then) == expected
        assert await then.count() == len(expected)


async def test_all_questions_can_be_asked_of_the_past(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        receipts = await history(app, clock)
        then = app.read(Balance).as_of(receipts[3])

        assert balances(await then.where(owner="alice")) == [("ACC1", 100)]
        assert balances(await then.starting_with(owner="AL")) == [("ACC1", 100)]
        assert balances(await then.order_by("-balance").limit(1)) == [("ACC1", 100)]
        assert balances(await then.order_by("-balance").offset(1)) == [("ACC2", 5)]
        now = app.read(Balance).table.c
        assert balances(await then.where(then.table.c.balance > 50)) == [("ACC1", 100)]
        assert balances(await then.where(now.balance < 50)) == [("ACC2", 5)]
        page = await then.page(1)
        following = await then.page(1, page.next)
        assert balances(page.rows + following.rows) == [("ACC1", 100), ("ACC2", 5)]
        assert balances([row async for row in then]) == [("ACC1", 100), ("ACC2", 5)]
        first = await then.order_by("-account_id").first()
        assert first is not None
        assert first.account_id == "ACC2"


async def test_what_has_not_been_yet_is_not_found(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        receipt = await app.send(OpenAccount("ACC1", "alice"))
        future = app.read(Balance).as_of(receipt.position + 1)

        with pytest.raises(NotFound, match=f"ends at position {receipt.position}"):
            await future
        with pytest.raises(NotFound):
            await future.get("ACC1")


async def test_a_moment_that_is_none_is_refused_at_once(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        with pytest.raises(ValueError, match="'yesterday' is no time"):
            app.read(Balance).as_of("yesterday")
        with pytest.raises(ValueError, match="positions count from 1"):
            app.read(Balance).as_of(-1)


async def test_the_past_is_in_no_database(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        with pytest.raises(WiringError, match="is in no database"):
            app.read(Balance).as_of(0).select()


async def test_one_question_is_about_one_moment(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        now = app.read(Balance).as_of("2099-01-01")
        await app.send(OpenAccount("ACC1", "alice"))
        assert await now.count() == 1

        await app.send(OpenAccount("ACC2", "bob"))

        assert await now.count() == 1
        assert await app.read(Balance).as_of("2099-01-01").count() == 2


async def test_nobody_has_to_project(store_url: str) -> None:
    async with bank.app.using(store=store_url, projecting=False) as app:
        receipt = await app.send(OpenAccount("ACC1", "alice"))

        assert await app.read(Balance).as_of(receipt).count() == 1


async def test_progress_is_told_and_the_table_kept_for_the_next_question(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        receipt = await app.send(OpenAccount("ACC1", "alice"))
        told: list[tuple[int, int]] = []

        def tell(position: int, end: int) -> None:
            told.append((position, end))

        assert await app.read(Balance).as_of(receipt, tell).count() == 1
        assert told == [(receipt.position, receipt.position)]

        told.clear()
        assert await app.read(Balance).as_of(receipt.position, tell).count() == 1
        assert told == []


async def test_many_moments_are_asked_at_once(store_url: str) -> None:
    async with bank.app.using(store=store_url) as app:
        receipts = [await app.send(OpenAccount(f"ACC{n}", "alice")) for n in range(10)]
        rows = app.read(Balance)

        questions = [rows.as_of(receipt).count() for receipt in (*receipts, *receipts)]

        assert await asyncio.gather(*questions) == [*range(1, 11), *range(1, 11)]


async def test_moments_are_let_go_while_others_are_asked_about() -> None:
    async with bank.app.using(store="memory://") as app:
        for n in range(40):
            await app.send(OpenAccount(f"ACC{n}", "alice"))
        for _ in range(3):
            questions = [app.read(Balance).as_of(n).count() for n in range(1, 41)]
            assert await asyncio.gather(*questions) == [*range(1, 41)]


def told(changes: list[RowChange[Balance]]) -> list[tuple[str, str, list[tuple[Any, ...]]]]:
    return [
        (one.key, one.kind, [(c.path, c.before, c.after) for c in one.changes]) for one in changes
    ]


async def test_a_difference_names_rows_and_columns(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        receipts = await history(app, clock)
        rows = app.read(Balance)

        assert told(await rows.diff(receipts[1], "2099-01-01")) == [
            ("ACC1", "changed", [("balance", 100, 70)]),
            (
                "ACC2",
                "appeared",
                [("account_id", None, "ACC2"), ("owner", None, "bob"), ("balance", None, 5)],
            ),
        ]
        (changed,) = await rows.diff(receipts[3], receipts[4])
        assert changed.before == Balance("ACC1", "alice", 100, version=2)
        assert changed.after == Balance("ACC1", "alice", 70, version=3)
        assert await rows.diff(receipts[2], receipts[2]) == []


async def test_a_difference_can_be_looked_at_backwards(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        receipts = await history(app, clock)

        back = await app.read(Balance).diff(receipts[4], receipts[1])

        assert [(one.key, one.kind) for one in back] == [("ACC1", "changed"), ("ACC2", "vanished")]
        assert back[0].changes[0].before == 70


async def test_a_difference_of_some_rows_is_that_of_the_answers(store_url: str) -> None:
    clock = ManualClock(START)
    async with bank.app.using(store=store_url, clock=clock) as app:
        receipts = await history(app, clock)
        rows, balance = app.read(Balance), app.read(Balance).table.c.balance

        poor = await rows.where(balance < 80).diff(receipts[3], receipts[4])
        of_bob = await rows.where(owner="bob").diff(receipts[0], receipts[4])

        assert [(one.key, one.kind) for one in poor] == [("ACC1", "appeared")]
        assert [(one.key, one.kind) for one in of_bob] == [("ACC2", "appeared")]
        with pytest.raises(ValueError, match="no limit"):
            await rows.limit(1).diff(0, receipts[4])


_commands = st.lists(
    st.one_of(
        st.builds(OpenAccount, st.sampled_from(["A", "B"]), st.sampled_from(["alice", "bob"])),
        st.builds(DepositMoney, st.sampled_from(["A", "B"]), st.integers(1, 3)),
        st.builds(WithdrawMoney, st.sampled_from(["A", "B"]), st.integers(1, 3)),
    ),
    max_size=8,
)


@given(commands=_commands)
def test_every_moment_is_what_the_table_was_then(commands: list[object]) -> None:
    asyncio.run(_every_moment(commands))


async def _every_moment(commands: list[object]) -> None:
    async with bank.app.using(store="memory://") as app:
        rows = app.read(Balance).order_by("account_id")
        tables: dict[int, list[Balance]] = {0: []}
        for command in commands:
            try:
                receipt = await app.send(command)
            except Rejected:
                continue
            tables[receipt.position] = await rows.after(receipt)
        for position, table in tables.items():
            then = app.read(Balance).as_of(position)
            assert await then.order_by("account_id") == table
            by_key = {row.account_id: row for row in table}
            assert [await then.get(key) for key in "AB"] == [by_key.get(key) for key in "AB"]
        positions = sorted(tables)
        for one, other in [*pairwise(positions), (positions[-1], 0)]:
            before = {row.account_id: row for row in tables[one]}
            after = {row.account_id: row for row in tables[other]}
            found = await app.read(Balance).diff(one, other)
            assert [(c.key, c.before, c.after) for c in found] == [
                (key, before.get(key), after.get(key))
                for key in "AB"
                if said(before.get(key)) != said(after.get(key))
            ]


def said(row: Balance | None) -> tuple[str, int] | None:
    """What a row says, whatever its version."""
    return None if row is None else (row.owner, row.balance)
