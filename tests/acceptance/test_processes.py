"""Commands that go on, are stopped, are killed, or lose their reader."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bank import DepositMoney, app

from .terminal import PROGRAM, Terminal, person, save, stop

Process = subprocess.Popen[str]

SLOW = """
from bank import Account, AccountOpened, MoneyDeposited
from whence import App, ReadModel, evolve


class Sum(ReadModel):
    account_id: str
    deposits: int = 0

    @evolve
    def _(self, event: AccountOpened): ...

    @evolve
    def _(self, event: MoneyDeposited):
        sum(range(20_000))  # it takes its time
        self.deposits += event.amount


app = App("bank", Account, Sum)
"""


@pytest.fixture
def started(account: Terminal) -> Iterator[list[Process]]:
    """What a test has started, and has to be gone when it ends."""
    found: list[Process] = []
    yield found
    for process in found:
        if process.poll() is None:
            process.kill()
        process.communicate()


def line(process: Process) -> Any:
    """The next of its JSON Lines; waits for it."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def until(process: Process, **wanted: object) -> Any:
    """The next of its lines that says what is wanted."""
    while True:
        found = line(process)
        if all(found[name] == value for name, value in wanted.items()):
            return found


def deposit(times: int) -> None:
    """Many deposits of 1, which travel together."""

    async def run() -> None:
        async with app.using(store="sqlite:///bank.db", projecting=False) as opened:
            await asyncio.gather(*(opened.send(DepositMoney("ACC1", 1)) for _ in range(times)))

    asyncio.run(run())


def rows_catch_up(terminal: Terminal, position: int) -> int:
    """Wait until the rows have reached ``position``, whoever projects; return where they are."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        (found,) = terminal("projections", "--json").json
        if found["position"] >= position:
            return int(found["position"])
    raise AssertionError(f"the rows have not reached position {position}")


def being_built(database: Path) -> None:
    """Wait until there is a table beside the live one."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with closing(sqlite3.connect(database)) as connection:
            found = connection.execute("select name from sqlite_schema").fetchall()
        if any("__next" in name for (name,) in found):
            return
    raise AssertionError("nothing is being built")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tail_shows_what_another_process_sends_until_it_is_stopped(
    account: Terminal, started: list[Process], number: int
) -> None:
    tail = account.start("tail", "-f", "-n", "1", "--json")
    started.append(tail)
    assert line(tail)["position"] == 3
    account.process("send", "DepositMoney", "account_id=ACC1", "amount=1")
    account("send", "DepositMoney", "account_id=ACC1", "amount=2")
    assert [line(tail)["data"]["amount"] for _ in range(2)] == [1, 2]
    answer = stop(tail, number)
    assert (answer.code, answer.out, answer.err) == (0, "", "")


def test_tail_shows_only_what_is_asked_for(account: Terminal, started: list[Process]) -> None:
    tail = account.start("tail", "-f", "--type", "MoneyWithdrawn", "--json")
    started.append(tail)
    assert line(tail)["position"] == 3
    account("send", "DepositMoney", "account_id=ACC1", "amount=1")
    account("send", "WithdrawMoney", "account_id=ACC1", "amount=2")
    assert line(tail)["position"] == 5
    assert stop(tail).code == 0


def test_tail_ends_when_nobody_reads_any_more(account: Terminal, started: list[Process]) -> None:
    tail = account.start("tail", "-f", "--json")
    started.append(tail)
    line(tail)
    assert tail.stdout is not None
    tail.stdout.close()
    tail.stdout = None
    assert tail.wait(timeout=30) == 0


@pytest.mark.parametrize(
    "words", [("--help",), ("tail",), ("show", "account-ACC1", "--json"), ("doctor",), ("demo",)]
)
def test_a_reader_may_leave_early(account: Terminal, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as nobody:
        done = subprocess.run(
            [*PROGRAM, *words], stdout=nobody, stderr=subprocess.PIPE, env=person(), timeout=60
        )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [
        (("--help",), "1"),
        (("tail", "--json"), ""),
        (("send", "WithdrawMoney", "account_id=ACC1", "amount=1"), ""),
    ],
)
def test_an_answer_that_cannot_be_written_is_an_error(
    account: Terminal, words: tuple[str, ...], unbuffered: str
) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PROGRAM, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=person() | {"PYTHONUNBUFFERED": unbuffered},
            timeout=60,
        )
    assert done.returncode == 1
    assert "the answer cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_projects_until_it_is_stopped(
    account: Terminal, started: list[Process], number: int
) -> None:
    worker = account.start("worker", "--json")
    started.append(worker)
    until(worker, state="live")
    rows_catch_up(account, 3)
    account("send", "DepositMoney", "account_id=ACC1", "amount=1")
    rows_catch_up(account, 4)
    answer = stop(worker, number)
    assert answer.code == 0
    assert answer.err.splitlines() == ["projecting balance; Ctrl-C stops it", "stopped"]


def test_a_worker_tells_people_what_changes(account: Terminal, started: list[Process]) -> None:
    worker = account.start("worker")
    started.append(worker)
    assert worker.stdout is not None
    while not worker.stdout.readline().startswith("balance: live at position "):
        pass
    assert stop(worker).code == 0


def test_a_killed_worker_is_followed_by_one_that_goes_on(
    account: Terminal, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(account.folder, "slow.py", SLOW)
    monkeypatch.setenv("WHENCE_APP", "slow:app")
    first = account.start("worker", "--json")
    started.append(first)
    rows_catch_up(account, 3)
    deposit(300)
    stop(first, signal.SIGKILL)  # while it folds them
    second = account.start("worker", "--json")
    started.append(second)
    rows_catch_up(account, 303)
    assert stop(second).code == 0
    row = account("read", "sum", "ACC1", "--json").json["row"]
    assert row == {"account_id": "ACC1", "deposits": 400, "version": 303}


def test_a_rebuild_that_was_killed_goes_on(
    account: Terminal, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    save(account.folder, "slow.py", SLOW)
    monkeypatch.setenv("WHENCE_APP", "slow:app")
    deposit(300)
    account("read", "sum")
    rebuild = account.start("rebuild", "sum")
    started.append(rebuild)
    being_built(Path("bank.read.db"))
    stop(rebuild, signal.SIGKILL)
    row = account("read", "sum", "ACC1", "--json").json["row"]
    assert (row["deposits"], row["version"]) == (400, 303)
    assert account("doctor").err == "all is well\n"
