"""What `whence demo` tells: one command's way through the bank of the examples.

Nothing is faked: every value that is shown was made by the application in this moment.
"""

from dataclasses import dataclass
from typing import Any

from bank import (
    Account,
    Balance,
    DepositMoney,
    FindAccounts,
    OpenAccount,
    WithdrawMoney,
)
from whence.app import App
from whence.cli.narration import Narration
from whence.cli.text import to_json
from whence.envelope import Recorded
from whence.errors import Invalid, Rejected, Stale
from whence.plain import to_builtins
from whence.sending import Receipt
from whence.store import in_stream


@dataclass(slots=True)
class Bank:
    """The story's stage: an open application, one account, and who tells."""

    app: App
    tell: Narration
    account: str

    async def events(self) -> list[Recorded]:
        """What the store holds of the account."""
        pages = self.app.running.store.read(in_stream(f"account-{self.account}"))
        return [event async for page in pages for event in page.events]

    async def balance(self) -> Balance | None:
        """The account's row in the read model, up to date."""
        head = await self.app.running.store.head()
        return await self.app.read(Balance).get(self.account, after=head)


async def tell(app: App, narration: Narration) -> str:
    """Play the whole story; return the account that it was about."""
    bank = Bank(app, narration, await free_account(app))
    await prepare(bank)
    command = WithdrawMoney(bank.account, 30)
    task(bank, command)
    route(bank, command)
    await decision(bank, command)
    before = await bank.balance()
    receipt = await stored(bank, command)
    await projected(bank, before, receipt)
    await queried(bank)
    await remembered(bank)
    await refused(bank)
    await overtaken(bank)
    return bank.account


async def free_account(app: App) -> str:
    """An account that nobody has opened yet, should the store have been used before."""
    number = 1
    while (await app.history(Account, f"ACC{number}").now()).opened:
        number += 1
    return f"ACC{number}"


async def prepare(bank: Bank) -> None:
    """Something has happened before the story begins."""
    await bank.app.send(OpenAccount(bank.account, "alice"), by="alice")
    await bank.app.send(DepositMoney(bank.account, 100), by="employer")


def task(bank: Bank, command: WithdrawMoney) -> None:
    """Step 1."""
    bank.tell.step("1", "A person's task, with its intent, becomes a command")
    bank.tell.say("Alice is at the cash machine.")
    bank.tell.show(f"{command}  by alice", style="green", command=to_builtins(command), by="alice")


def route(bank: Bank, command: WithdrawMoney) -> None:
    """Step 2."""
    steps = bank.app.running.bus.pipeline.names
    handler = bank.app.wiring.behaviour(Account).deciders[type(command)]
    bank.tell.step("2", "The bus (message router) hands it to its one handler, through a pipeline")
    name = handler.function.__qualname__
    bank.tell.show(" > ".join([*steps, name]), pipeline=steps, handler=name)


async def decision(bank: Bank, command: WithdrawMoney) -> None:
    """Steps 3 to 5: tried out here, before the command is sent, to be watched."""
    behaviour = bank.app.wiring.behaviour(Account)
    state = await bank.app.history(Account, bank.account).at(2)
    bank.tell.step("3", "The aggregate is built from its past events: the write model")
    bank.tell.say("Position in the log, stream and version, type, payload:")
    for event in await bank.events():
        bank.tell.show(_event(event))
    before = state.balance
    bank.tell.show(f"Account: opened={state.opened}, balance={before}", balance=before)
    decided: list[object] = []
    behaviour.decide(state, command, decided)
    bank.tell.step("4", "It decides: looks, changes nothing, yields events; then applies them")
    bank.tell.say(f"{command.amount} is not more than {before}, so:")
    bank.tell.show(str(decided[0]), style="green", decided=to_builtins(decided[0]))
    bank.tell.show(f"Account: balance={state.balance}", balance=state.balance)
    bank.tell.step("5", "The handler takes the new events, with a condition, to the store")
    bank.tell.say("The domain has touched no database, no clock and no network.")
    bank.tell.show(f"{len(decided)} event, if account-{bank.account} is still at version 2")


async def stored(bank: Bank, command: WithdrawMoney) -> Receipt:
    """Step 6."""
    receipt = await bank.app.send(command, by="alice", id=f"cash-machine-{bank.account}")
    bank.tell.step("6", "The event store keeps them, in order and for ever, or reports a conflict")
    *known, new = map(_event, await bank.events())
    bank.tell.show("\n".join(known))
    bank.tell.show(new, style="green")
    bank.tell.say("The answer is a receipt, never data:")
    bank.tell.show(
        f"position {receipt.position}, versions {dict(receipt.versions)}",
        style="green",
        receipt=to_builtins(receipt),
    )
    again = await bank.app.send(command, by="alice", id=f"cash-machine-{bank.account}")
    bank.tell.say("The cash machine lost the answer and sends the same id again: done only once.")
    bank.tell.show(
        f"position {again.position}, duplicate={again.duplicate}", duplicate=again.duplicate
    )
    return receipt


async def projected(bank: Bank, before: Balance | None, receipt: Receipt) -> None:
    """Steps 7 to 9."""
    after = await bank.app.read(Balance).get(bank.account, after=receipt)
    statuses = await bank.app.running.reads.subscriptions.status()
    bank.tell.step("7", "The events are published to every projection, each at its own pace")
    for one in statuses:
        bank.tell.show(f"{one.name}: {one.state} at position {one.position} of {one.head}")
    bank.tell.step("8", "Projections (denormalisers) fold them into read models")
    bank.tell.show(f"before  {before}", before=to_builtins(before))
    bank.tell.show(f"after   {after}", after=to_builtins(after))
    bank.tell.step("9", "Slim rows (DTOs), with the aggregate's id and version, are what is kept")
    rows = await bank.app.read(Balance).order_by("account_id").limit(5)
    for row in rows:
        bank.tell.show(to_json(to_builtins(row)), style="green")


async def queried(bank: Bank) -> None:
    """Steps A and B."""
    question = FindAccounts("al")
    answer = await bank.app.ask(question)
    bank.tell.step("A", "Queries are answered from the read models")
    bank.tell.show(str(question), query=to_builtins(question))
    for row in answer:
        bank.tell.show(str(row), style="green", answer=to_builtins(answer))
    bank.tell.step("B", "What Alice sees leads to her next command: back to step 1")


async def remembered(bank: Bank) -> None:
    """The temporal query."""
    history = bank.app.history(Account, bank.account)
    bank.tell.step("?", "Whence does it come? Every past moment can be asked")
    for version in range(1, 4):
        state = await history.at(version)
        bank.tell.show(f"at version {version}: balance {state.balance}")
    for change in await history.diff(1, 3):
        bank.tell.show(
            f"from version 1 to 3: {change.path} {change.before} -> {change.after}",
            style="green",
            diff=to_builtins(change),
        )


async def refused(bank: Bank) -> None:
    """The domain's no, and the form's."""
    bank.tell.step("!", "The domain may say no; a malformed command does not even reach it")
    try:
        await bank.app.send(WithdrawMoney(bank.account, 1_000), by="alice")
    except Rejected as error:
        bank.tell.show(f"Rejected: {error}", style="red", rejected=str(error))
    form = bank.app.wiring.commands.form(WithdrawMoney)
    try:
        form.convert({"amount": "-5"})
    except Invalid as error:
        bank.tell.show(f"Invalid: {error}", style="red", invalid=error.fields)


async def overtaken(bank: Bank) -> None:
    """Two people who saw the same, and act both."""
    seen = await bank.balance()
    assert seen is not None
    bank.tell.step("!", "Two people saw the same version; the second is told what came between")
    await bank.app.send(DepositMoney(bank.account, 5), by="bob", version=seen.version)
    bank.tell.show(f"bob, who saw version {seen.version}, deposits 5: done")
    try:
        command = WithdrawMoney(bank.account, 70)
        await bank.app.send(command, by="alice", version=seen.version)
    except Stale as error:
        bank.tell.show(f"alice, who saw version {seen.version}, withdraws 70:")
        between: list[Any] = [_event(event) for event in error.events]
        bank.tell.show(f"Conflict: {error}", style="red", conflict=between)


def _event(event: Recorded) -> str:
    return (
        f"{event.position}  {event.stream} v{event.version}  {event.type:14}"
        f"  {event.data.decode()}"
    )
