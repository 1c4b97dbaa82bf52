"""`whence worker` in several processes: what they make of the log, whatever happens to them."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from whence import App
from whence.testing.postgres import PostgresServer

from .kit import until
from .tally import Count, Total, app, journal

HERE = Path(__file__).parent
WHENCE = (sys.executable, "-m", "whence", "--app", "tally:app")


class Crew:
    """Processes that lead the read models of one store."""

    def __init__(self, store: str, read: str, folder: Path) -> None:
        self._environment = {**os.environ, "WHENCE_STORE": store, "WHENCE_READ": read}
        self._log = folder / "log"
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def pids(self) -> set[int]:
        return {one.pid for one in self._processes}

    @property
    def log(self) -> str:
        """What they have said."""
        return self._log.read_text()

    def start(self) -> None:
        with self._log.open("a") as log:
            process = subprocess.Popen(
                [*WHENCE, "worker"], cwd=HERE, env=self._environment, stdout=log, stderr=log
            )
        self._processes.append(process)

    def ask(self, *arguments: str) -> str:
        """What a command that does no work for the read models says."""
        return subprocess.check_output(
            [*WHENCE, *arguments], cwd=HERE, env=self._environment, text=True
        )

    def kill(self, place: int) -> None:
        one = self._processes.pop(place)
        one.kill()
        one.wait()

    def suspend(self, place: int) -> int:
        self._processes[place].send_signal(signal.SIGSTOP)
        return self._processes[place].pid

    def end(self) -> None:
        """They finish what they are at; each says that all went well."""
        for one in self._processes:
            one.terminate()
        assert {one.wait(60) for one in self._processes} == {0}
        self._processes.clear()

    def forget(self) -> None:
        while self._processes:
            self.kill(0)

    def go_on(self) -> None:
        for one in self._processes:
            one.send_signal(signal.SIGCONT)


class Load:
    """Commands that are sent one after the other, and what must come of them."""

    def __init__(self, opened: App) -> None:
        self._opened, self._chance = opened, random.Random(11)
        self.entries = dict[str, list[int]]()
        self.position = 0

    async def send(self, number: int) -> None:
        for _ in range(number):
            counter, by = f"C{self._chance.randrange(40)}", self._chance.randrange(1, 9)
            receipt = await self._opened.send(Count(counter, by))
            self.entries.setdefault(counter, []).append(by)
            self.position = receipt.position

    async def check(self) -> None:
        """Every event is in the rows once, and those of a counter are in order."""
        rows = await self._opened.read(Total).after(self.position, timeout=60)
        assert {row.counter_id: (row.total, row.times, row.version) for row in rows} == {
            counter: (sum(entries), len(entries), len(entries))
            for counter, entries in self.entries.items()
        }
        running = self._opened.running
        await running.reads.subscriptions.by_name["journal"].reached(self.position, timeout=60)
        columns = select(journal.c.counter_id, journal.c.by).order_by(journal.c.id)
        found = dict[str, list[int]]()
        for counter, by in await running.reads.database.read(lambda c: c.execute(columns).all()):
            found.setdefault(counter, []).append(by)
        assert found == self.entries


@pytest.fixture
def urls(postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """Of a store and a read database."""
    store, read = postgres.create_database(), postgres.create_database()
    yield store, read
    postgres.drop_database(store)
    postgres.drop_database(read)


@pytest.fixture
async def opened(urls: tuple[str, str]) -> AsyncIterator[App]:
    """The application, which leaves the work to others."""
    async with app.using(store=urls[0], read=urls[1], projecting=False) as opened:
        yield opened


@pytest.fixture
def crew(urls: tuple[str, str], tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(*urls, tmp_path)
    yield crew
    crew.forget()


async def owners(opened: App, name: str) -> dict[int, int]:
    """How many slices of a projection each process has."""
    status = await opened.running.reads.subscriptions.by_name[name].status()
    return {int(one.worker.split(":")[1]): len(one.slices) for one in status.owners}


async def all_have_slices(opened: App, pids: set[int]) -> bool:
    return pids <= {pid for name in ("total", "journal") for pid in await owners(opened, name)}


async def test_workers_share_the_slices_and_one_that_ends_hands_over(
    opened: App, crew: Crew
) -> None:
    load = Load(opened)
    for _ in range(2):
        crew.start()

    async def shared() -> bool:
        found = await owners(opened, "total"), await owners(opened, "journal")
        return found == (dict.fromkeys(crew.pids, 8), dict.fromkeys(crew.pids, 4))

    await until(shared)
    await load.send(50)
    await load.check()
    total, _ = json.loads(await asyncio.to_thread(crew.ask, "projections", "--json"))
    assert {int(owner["worker"].split(":")[1]) for owner in total["owners"]} == crew.pids
    said = await asyncio.to_thread(crew.ask, "projections")
    assert all(f":{pid} has" in said.replace("\n", " ") for pid in crew.pids), said
    assert "total: took slices" in crew.log
    crew.end()
    assert await owners(opened, "total") == {}


async def test_workers_killed_and_suspended_in_a_loop_leave_what_a_fresh_fold_makes(
    opened: App, crew: Crew
) -> None:
    chance, load = random.Random(5), Load(opened)
    for _ in range(3):
        crew.start()
    await until(lambda: all_have_slices(opened, crew.pids))
    sleeper = crew.suspend(0)
    for _ in range(3):
        await load.send(100)
        crew.kill(chance.randrange(1, 3))
        crew.start()
        await until(lambda: all_have_slices(opened, crew.pids - {sleeper}))
    await load.send(100)
    await load.check()  # others have taken over what the suspended one owned
    crew.go_on()
    await load.send(100)
    await until(lambda: all_have_slices(opened, crew.pids))
    await load.check()
    crew.end()
