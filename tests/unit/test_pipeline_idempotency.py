"""A command with an id is applied at most once, however often and wherever it is sent."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from whence import (
    Aggregate,
    App,
    Conflict,
    Invalid,
    Rejected,
    Stale,
    command,
    decide,
    event,
    evolve,
)
from whence.backends.memory import MemoryStore
from whence.errors import StoreError, Unknown
from whence.store import Commit, EventQuery, Outcome, Page


@event
class Opened:
    account_id: str


@event
class Deposited:
    account_id: str
    amount: int


@command
class Open:
    account_id: str


@command
class Deposit:
    account_id: str
    amount: int


@command
class Audit:
    account_id: str


@command
class Pool:
    account_id: str
    amount: int


@command
class Pay:
    reference: str
    amount: int

    @property
    def account_id(self) -> str:
        return self.reference.partition("/")[0]


class Account(Aggregate):
    opened = False
    balance = 0

    @decide
    def open(self, command: Open) -> Iterator[object]:
        if self.opened:
            raise Rejected("It is open already")
        yield Opened(self.id)

    @decide
    def deposit(self, command: Deposit) -> Iterator[object]:
        yield Deposited(self.id, command.amount)

    @decide
    def audit(self, command: Audit) -> Iterator[object]:
        if not self.opened:
            yield Opened(self.id)

    @evolve
    def _(self, event: Opened) -> None:
        self.opened = True

    @evolve
    def _(self, event: Deposited) -> None:
        self.balance += event.amount


def bank(store: Any) -> App:
    app = App("bank", Account, store=store, read="sqlite://")

    @app.decides
    def pool(command: Pool, account: Account) -> Iterator[object]:  # pyright: ignore
        if account.balance:
            raise Rejected("There is something already")
        yield Deposited(account.id, command.amount)

    @app.decides
    def pay(command: Pay, account: Account) -> Iterator[object]:  # pyright: ignore
        yield Deposited(account.id, command.amount)

    return app


OpenApp = Callable[[], AbstractAsyncContextManager[App]]


@pytest.fixture(params=["memory", "sqlite"])
def open_app(request: pytest.FixtureRequest, tmp_path: Path) -> OpenApp:
    """Opens one more application on the same data."""
    store = MemoryStore() if request.param == "memory" else f"sqlite:///{tmp_path / 'bank.db'}"
    return lambda: bank(store)


@pytest.fixture
async def app(open_app: OpenApp) -> AsyncIterator[App]:
    async with open_app() as app:
        yield app


async def events(app: App, account: str = "A1") -> list[object]:
    return [past.event async for past in app.history(Account, account).events()]


async def test_sending_again_is_answered_with_the_first_receipt(app: App) -> None:
    first = await app.send(Deposit("A1", 5), id="d1")
    await app.send(Deposit("A1", 7))
    again = await app.send(Deposit("A1", 5), id="d1")
    assert (first.duplicate, again.duplicate) == (False, True)
    assert (again.position, again.versions, again.events) == (1, {"account-A1": 1}, ("d1.0",))
    assert await events(app) == [Deposited("A1", 5), Deposited("A1", 7)]


async def test_it_is_the_same_in_another_application(open_app: OpenApp) -> None:
    async with open_app() as one:
        first = await one.send(Open("A1"), id="o1")
    async with open_app() as other:
        again = await other.send(Open("A1"), id="o1")
        assert again.duplicate
        assert again.events == first.events
        assert await events(other) == [Opened("A1")]


async def test_a_refused_command_may_be_sent_again(app: App) -> None:
    await app.send(Open("A1"))
    for _ in range(2):
        with pytest.raises(Rejected):
            await app.send(Open("A1"), id="o1")
    assert (await app.send(Open("A2"), id="o1")).duplicate is False


async def test_what_does_nothing_is_not_remembered(app: App) -> None:
    await app.send(Open("A1"))
    assert (await app.send(Audit("A1"), id="a1")).duplicate is False
    assert (await app.send(Audit("A1"), id="a1")).duplicate is False


async def test_an_id_that_belongs_to_another_kind_of_command_is_invalid(app: App) -> None:
    await app.send(Open("A1"), id="x1")
    with pytest.raises(Invalid) as caught:
        await app.send(Deposit("A1", 5), id="x1")
    assert caught.value.fields == {"id": "'x1' was used before, for Open (account-A1)"}
    assert await events(app) == [Opened("A1")]


async def test_an_id_that_belongs_to_a_command_for_another_thing_is_invalid(app: App) -> None:
    await app.send(Deposit("A1", 5), id="x1")
    with pytest.raises(Invalid, match=r"'x1' was used before, for Deposit \(account-A1\)"):
        await app.send(Deposit("A2", 5), id="x1")
    assert await events(app, "A2") == []
    await app.send(Pay("A1/7", 5), id="x2")
    with pytest.raises(Invalid, match=r"'x2' was used before, for Pay \(account-A1\)"):
        await app.send(Pay("A2/7", 5), id="x2")


@pytest.mark.parametrize(
    "command",
    [Open("A1"), Deposit("A1", 5), Audit("A1"), Pool("A1", 5), Pay("A1/7", 5)],
)
async def test_of_many_at_once_one_is_applied_and_all_are_answered(
    open_app: OpenApp, command: object
) -> None:
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(open_app()) for _ in range(2)]
        receipts = await asyncio.gather(*(apps[n % 2].send(command, id="same") for n in range(20)))
        assert len(await events(apps[0])) == 1
        assert {receipt.events for receipt in receipts} == {("same.0",)}
        assert sum(not receipt.duplicate for receipt in receipts) == 1


async def test_a_duplicate_with_a_version_is_a_duplicate_not_stale(app: App) -> None:
    await app.send(Open("A1"))
    receipts = await asyncio.gather(
        *(app.send(Deposit("A1", 5), id="d1", version=1) for _ in range(5))
    )
    assert sum(not receipt.duplicate for receipt in receipts) == 1
    with pytest.raises(Stale):
        await app.send(Deposit("A1", 5), id="d2", version=1)


async def test_ids_taken_at_once_for_two_things_are_given_to_one(open_app: OpenApp) -> None:
    async with open_app() as one, open_app() as other:
        results = await asyncio.gather(
            one.send(Deposit("A1", 5), id="x1"),
            other.send(Deposit("A2", 5), id="x1"),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == ["Invalid", "Receipt"]
        assert len(await events(one, "A1") + await events(one, "A2")) == 1


# A store whose answer is lost.


class Forgetful(MemoryStore):
    """Loses the answer to the next append, having stored it or not."""

    stores = True
    losing = 0
    silent = False
    """Cannot be read, either."""

    async def append(self, commits: Sequence[Commit]) -> list[Outcome]:
        if not self.losing:
            return await super().append(commits)
        self.losing -= 1
        if self.stores:
            await super().append(commits)
        return [Unknown(commit.id) for commit in commits]

    async def read(self, query: EventQuery, **how: Any) -> AsyncIterator[Page]:
        if self.silent and any(item.commit_id for item in query.items):
            raise StoreError("the store is away")
        async for page in super().read(query, **how):
            yield page


async def test_an_answer_lost_after_storing_is_found() -> None:
    store = Forgetful()
    async with bank(store) as app:
        store.losing = 1
        receipt = await app.send(Deposit("A1", 5))
        assert (receipt.position, receipt.duplicate) == (1, False)
        assert (await app.send(Deposit("A1", 7))).versions == {"account-A1": 2}
        assert await events(app) == [Deposited("A1", 5), Deposited("A1", 7)]


async def test_an_answer_lost_before_storing_is_unknown_and_may_be_asked_again() -> None:
    store = Forgetful()
    async with bank(store) as app:
        store.losing, store.stores = 1, False
        with pytest.raises(Unknown) as caught:
            await app.send(Deposit("A1", 5))
        assert "Send the same command with the same id again" in str(caught.value)
        assert await events(app) == []
        await app.send(Deposit("A1", 5), id=caught.value.commit_id)
        assert await events(app) == [Deposited("A1", 5)]


async def test_it_stays_unknown_if_nobody_can_look() -> None:
    store = Forgetful()
    async with bank(store) as app:
        store.losing, store.silent = 1, True
        with pytest.raises(Unknown, match=r"is unknown: the store is away\. Send") as caught:
            await app.send(Deposit("A1", 5))
        store.silent = False
        again = await app.send(Deposit("A1", 5), id=caught.value.commit_id)
        assert again.duplicate
        assert await events(app) == [Deposited("A1", 5)]


async def test_an_unknown_answer_never_leads_to_a_second_attempt() -> None:
    store = Forgetful()
    async with bank(store) as app:
        await app.send(Open("A1"))
        for stores in (True, False):
            store.losing, store.stores = 1, stores
            results = await asyncio.gather(
                *(app.send(Deposit("A1", n)) for n in range(3)), return_exceptions=True
            )
            lost = [result for result in results if isinstance(result, Exception)]
            assert len(lost) == (0 if stores else 1)
            assert not any(isinstance(result, Conflict) for result in results)
        amounts = [one.amount for one in await events(app) if isinstance(one, Deposited)]
        assert sorted(amounts[:3]) == [0, 1, 2]
        assert len(amounts) == 5


async def test_what_was_decided_before_an_answer_was_lost_is_not_kept_in_mind() -> None:
    store = Forgetful()
    async with bank(store) as app:
        store.losing, store.stores = 1, False
        with pytest.raises(Unknown):
            await app.send(Open("A1"))
        receipt = await app.send(Open("A1"))
        assert (receipt.versions, receipt.duplicate) == ({"account-A1": 1}, False)


# In several processes.

PROCESS = """
import asyncio, sys
from collections.abc import Iterator
from whence import Aggregate, App, Rejected, command, decide, event, evolve

@event
class Deposited:
    account_id: str
    amount: int

@command
class Deposit:
    account_id: str
    amount: int

class Account(Aggregate):
    amounts: set[int] = set()

    @decide
    def deposit(self, command: Deposit):
        if command.amount in self.amounts:
            raise Rejected("There is that already")
        yield Deposited(self.id, command.amount)

    @evolve
    def _(self, event: Deposited):
        self.amounts.add(event.amount)

async def main(url: str, ids: str) -> None:
    async with App("bank", Account, store=url, read="sqlite://") as app:
        print("ready", flush=True)
        sys.stdin.readline()
        about = [{"id": f"d{n}"} if ids else {} for n in range(40)]
        results = await asyncio.gather(
            *(app.send(Deposit("A1", n), **about[n]) for n in range(40)), return_exceptions=True
        )
        kinds = ["Duplicate" if getattr(r, "duplicate", 0) else type(r).__name__ for r in results]
        print(*kinds)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(("ids", "second"), [("ids", "Duplicate"), ("", "Rejected")])
def test_several_processes_at_once_apply_each_command_once(
    tmp_path: Path, ids: str, second: str
) -> None:
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    url = f"sqlite:///{tmp_path / 'bank.db'}"
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), url, ids],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].split() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    for three in zip(*answers, strict=True):
        assert sorted(three) == sorted(["Receipt", second, second])
