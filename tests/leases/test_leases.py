"""Workers that share projections: who owns what, for how long, and what happens in between."""

import asyncio
import logging
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from time import monotonic
from typing import Self
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Connection, Engine, event, text

from whence.backends.sql.board import Board
from whence.backends.sql.leases import Leases, elapsed
from whence.subscribers import Overtaken
from whence.testing.postgres import PrivatePostgres

from .kit import NAME, Workers, connect, until, until_owned


def fence(engine: Engine, leases: Leases, epochs: dict[int, int]) -> None:
    with engine.begin() as connection:
        leases.fence(connection, NAME, epochs)


async def test_a_single_worker_owns_everything(workers: Workers, engine: Engine) -> None:
    alone = workers()
    assert await alone.owned(NAME) == {}
    await alone.join(NAME, 16)
    epochs = await until_owned(alone, 16)
    assert epochs == dict.fromkeys(range(16), 1)
    await asyncio.to_thread(fence, engine, alone, epochs)


async def test_adding_a_worker_rebalances_and_removing_it_hands_over(
    workers: Workers, engine: Engine
) -> None:
    first, second = workers(), workers()
    await first.join(NAME, 16)
    before = await until_owned(first, 16)
    await second.join(NAME, 16)
    epochs = await until_owned(second, 8)
    kept = await until_owned(first, 8)
    assert not kept.keys() & epochs.keys()
    assert all(before[number] == epoch for number, epoch in kept.items())
    await asyncio.to_thread(fence, engine, second, epochs)
    with pytest.raises(Overtaken):
        await asyncio.to_thread(fence, engine, first, before)
    await second.leave(NAME)
    assert await second.owned(NAME) == {}
    assert len(await until_owned(first, 16)) == 16


async def test_ten_workers_share_sixteen_slices(workers: Workers) -> None:
    ten = [workers() for _ in range(10)]
    await asyncio.gather(*(one.join(NAME, 16) for one in ten))

    async def shared() -> bool:
        owned = [await one.owned(NAME) for one in ten]
        every = sorted(number for some in owned for number in some)
        return every == list(range(16)) and all(len(some) in (1, 2) for some in owned)

    await until(shared)


async def test_many_projections_are_shared_and_each_has_its_own_workers(
    workers: Workers,
) -> None:
    names = [f"projection_{number}" for number in range(30)]
    first, second, third = workers(), workers(), workers()
    await asyncio.gather(*(first.join(name, 16) for name in names))
    await asyncio.gather(*(second.join(name, 16) for name in names[:20]))
    await third.join("alone", 1)
    await asyncio.gather(*(until_owned(second, 8, name) for name in names[:20]))
    await asyncio.gather(*(until_owned(first, 8, name) for name in names[:20]))
    await asyncio.gather(*(until_owned(first, 16, name) for name in names[20:]))
    await until_owned(third, 1, "alone")
    await second.close()
    await asyncio.gather(*(until_owned(first, 16, name) for name in names))


async def test_what_one_slice_projections_need_is_spread_over_the_workers(
    workers: Workers,
) -> None:
    names = [f"projection_{number}" for number in range(30)]
    first, second = workers(), workers()
    await asyncio.gather(*(first.join(name, 1) for name in names))
    await asyncio.gather(*(until_owned(first, 1, name) for name in names))
    await asyncio.gather(*(second.join(name, 1) for name in names))

    async def some_of(one: Leases) -> int:
        return sum([len(await one.owned(name)) for name in names])

    async def spread() -> bool:
        return await some_of(first) + await some_of(second) == 30 and await some_of(second) >= 5

    await until(spread)


async def test_a_projection_can_be_joined_again_with_other_slices(workers: Workers) -> None:
    one, other = workers(), workers()
    await one.join(NAME, 16)
    await until_owned(one, 16)
    await one.leave(NAME)
    await one.leave(NAME)  # nothing more happens
    await one.join(NAME, 4)
    await other.join(NAME, 4)
    both = {**await until_owned(one, 2), **await until_owned(other, 2)}
    assert sorted(both) == [0, 1, 2, 3]


async def test_leaving_one_projection_keeps_the_others(workers: Workers) -> None:
    one = workers()
    await one.join(NAME, 2)
    await one.join("other", 2)
    await until_owned(one, 2, "other")
    epochs = await until_owned(one, 2)
    await one.leave("other")
    assert await one.owned("other") == {}
    assert await one.owned(NAME) == epochs


async def test_whoever_waits_for_a_change_is_told_of_it(workers: Workers) -> None:
    one = workers()
    await one.changed(NAME, {}, timeout=0.01)  # nothing changes: it returns all the same
    await one.join(NAME, 2)
    await one.changed(NAME, {}, timeout=60)
    epochs = await until_owned(one, 2)
    waiting = asyncio.create_task(one.changed(NAME, epochs, timeout=60))
    await asyncio.sleep(0)
    await one.leave(NAME)
    await waiting


class Clock:
    """Runs like the machine's, and can be put forward, as if the machine had been asleep."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def __call__(self) -> float:
        return elapsed() + self.ahead


async def test_a_worker_that_was_asleep_owns_nothing_until_it_has_looked_again(
    workers: Workers, engine: Engine
) -> None:
    clock = Clock()
    sleeper = workers(clock=clock)
    await sleeper.join(NAME, 4)
    epochs = await until_owned(sleeper, 4)
    clock.ahead += 4.6  # not yet the five seconds of the lease
    assert await sleeper.owned(NAME) == {}
    with pytest.raises(Overtaken):
        await asyncio.to_thread(fence, engine, sleeper, epochs)
    assert await until_owned(sleeper, 4) == epochs  # it was in time: nobody has taken over


async def test_a_worker_that_was_declared_dead_begins_anew(
    workers: Workers, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    one = workers()
    await one.join(NAME, 4)
    epochs = await until_owned(one, 4)
    (before,) = await one.status(NAME)
    with engine.begin() as connection:
        connection.execute(text("delete from whence_workers"))
    with pytest.raises(Overtaken):
        await asyncio.to_thread(fence, engine, one, epochs)
    assert await one.owned(NAME) == {}  # the fence has told: nothing is tried again in vain
    assert await until_owned(one, 4) == {number: epoch + 1 for number, epoch in epochs.items()}
    (after,) = await one.status(NAME)
    assert after.worker != before.worker
    assert (one.counts.taken, one.counts.lost, one.counts.given_back) == (8, 4, 0)
    assert "balance: lost slices 0-3" in caplog.text


async def test_what_changes_hands_is_logged_and_counted(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "whence")
    first, second = workers(), workers()
    await first.join(NAME, 4)
    await until_owned(first, 4)
    await second.join(NAME, 4)
    await until_owned(second, 2)
    assert (first.counts.taken, first.counts.given_back, first.counts.lost) == (4, 2, 0)
    assert second.counts.taken == 2
    assert "balance: took slices 0-3, has 4" in caplog.text
    assert "balance: gives back slices 2-3, has 2" in caplog.text


async def test_the_status_says_who_owns_what(workers: Workers) -> None:
    one, looking = workers(), workers()
    await one.join(NAME, 3)
    await until_owned(one, 3)
    (holder,) = await looking.status(NAME)
    assert holder.slices == (0, 1, 2)
    assert holder.worker.startswith(f"{holder.host}:{holder.pid}:")
    assert 0 < holder.seconds <= 5


async def test_all_leases_of_a_worker_are_renewed_by_one_statement(
    postgres_url: str, engine: Engine
) -> None:
    own = connect(postgres_url)
    said: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        said.append(statement.split()[0])

    leases = Leases(own, seconds=1.0)
    for number in range(40):
        await leases.join(f"projection_{number}", 16)
    for number in range(40):
        await until_owned(leases, 16, f"projection_{number}")
    await asyncio.sleep(0.6)  # everything is settled, and known to be
    event.listen(own, "before_cursor_execute", note)
    start = monotonic()
    await asyncio.sleep(1.2)
    seconds = monotonic() - start
    assert set(said) == {"update", "select"}
    assert said.count("update") <= seconds / 0.3 + 1
    assert said.count("select") <= seconds / 0.5 + 1
    await leases.close()


class Line:
    """A way to the database that can go dead without being closed."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._alive = asyncio.Event()
        self._alive.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        user, _, _ = self._target.netloc.rpartition("@")
        return f"postgresql://{user}@127.0.0.1:{port}{self._target.path}"

    def go_dead(self) -> None:
        self._alive.clear()

    def come_back(self) -> None:
        self._alive.set()

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        await asyncio.gather(self._pass_on(reader, there[1]), self._pass_on(there[0], writer))

    async def _pass_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._alive.wait()
                writer.write(data)
        writer.close()


async def test_whose_line_is_dead_owns_nothing_when_another_has_taken_over(
    postgres_url: str, workers: Workers, engine: Engine
) -> None:
    async with Line(postgres_url) as line:
        cut_off, other = Leases(connect(line.url), seconds=1.0), workers(seconds=1.0)
        await cut_off.join(NAME, 4)
        epochs = await until_owned(cut_off, 4)
        line.go_dead()
        await other.join(NAME, 4)
        await until_owned(other, 4)
        assert await cut_off.owned(NAME) == {}
        line.come_back()
        await until_owned(cut_off, 2)
        with pytest.raises(Overtaken):
            await asyncio.to_thread(fence, engine, cut_off, epochs)
        await cut_off.close()


async def test_without_its_database_a_worker_owns_nothing_and_begins_anew_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with PrivatePostgres() as server:
        url = server.create_database()
        engine = connect(url)
        with engine.begin() as connection:
            Board(engine.dialect).create(connection)
        leases = Leases(connect(url), seconds=1.0)
        await leases.join(NAME, 4)
        epochs = await until_owned(leases, 4)
        await asyncio.to_thread(server.stop, "immediate")
        await leases.changed(NAME, epochs, timeout=60)
        assert await leases.owned(NAME) == {}
        assert "leases cannot be renewed" in caplog.text
        assert "balance: lost slices 0-3" in caplog.text
        await asyncio.to_thread(server.start)
        assert await until_owned(leases, 4) != epochs
        assert "leases are renewed again" in caplog.text
        await asyncio.to_thread(server.stop, "immediate")
        await leases.close()  # what cannot be given back ends by itself
        engine.dispose()
