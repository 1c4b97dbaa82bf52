"""Opening and closing that is given up in the middle leaves nothing open."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.bells import Bell, Bells, Ring
from whence import App
from whence.backends.sqlite import SqliteStore, schema
from whence.errors import StoreError, WhenceError


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App("bells", Bell, Bells, store=f"sqlite:///{tmp_path / 'bells.db'}")


def left_open(folder: Path) -> list[str]:
    """The files of ``folder`` that this process holds, and the threads that work on them."""
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    files = [os.readlink(link) for link in links if os.path.islink(link)]
    threads = [thread.name for thread in threading.enumerate()]
    return [name for name in [*files, *threads] if str(folder) in name]


class Gate:
    """Holds the thread that comes to it, until it is let through."""

    def __init__(self, inside: Callable[..., object]) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        self._inside = inside

    def __call__(self, *words: object) -> object:
        self.reached.set()
        assert self.open.wait(20)
        return self._inside(*words)


async def cancelled_at(gate: Gate, work: asyncio.Task[object]) -> None:
    """Cancel ``work``, more than once, while one of its threads is at the gate."""
    assert await asyncio.to_thread(gate.reached.wait, 20)
    for _ in range(3):
        work.cancel()
        await asyncio.sleep(0)
    assert not work.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await work


async def test_who_gives_up_while_it_opens_leaves_nothing_open(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(schema.prepare)
    with monkeypatch.context() as patched:
        patched.setattr(schema, "prepare", gate)
        await cancelled_at(gate, asyncio.create_task(app.__aenter__()))
    assert left_open(tmp_path) == []
    async with app:
        await app.send(Ring("B1"))


async def test_who_gives_up_while_it_closes_leaves_nothing_open(app: App, tmp_path: Path) -> None:
    for turns in range(1, 30):
        await app.__aenter__()
        await app.send(Ring("B1"))
        closing = asyncio.create_task(app.__aexit__(None, None, None))
        for _ in range(turns):
            await asyncio.sleep(0)
        if closing.cancel():  # a quick one is closed by then
            with pytest.raises(asyncio.CancelledError):
                await closing
        assert turns > 1 or closing.cancelled()
        assert left_open(tmp_path) == []


async def test_it_is_opened_once_at_a_time(app: App, tmp_path: Path) -> None:
    first, second = await asyncio.gather(
        app.__aenter__(), app.__aenter__(), return_exceptions=True
    )
    assert first is app
    assert isinstance(second, WhenceError)
    assert str(second) == "bells is open already"
    await app.__aexit__(None, None, None)
    assert left_open(tmp_path) == []


async def test_what_cannot_be_opened_in_the_end_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise StoreError("it went away a moment ago")

    monkeypatch.setattr("whence.backends.sqlite.writer.Appender", gone)
    with pytest.raises(StoreError, match="a moment ago"):
        await SqliteStore(tmp_path / "events.db").open()
    assert left_open(tmp_path) == []


async def test_commands_are_sent_in_the_event_loop_that_has_opened_it(app: App) -> None:
    """Those of one stream wait for each other, and another loop would not be woken."""

    def elsewhere() -> None:
        with pytest.raises(WhenceError, match="bells is open in another event loop: send there"):
            asyncio.run(app.send(Ring("B1")))

    async with app:
        await asyncio.to_thread(elsewhere)
        loop = asyncio.get_running_loop()
        sent = asyncio.run_coroutine_threadsafe(app.send(Ring("B1")), loop)
        assert (await asyncio.wrap_future(sent)).versions == {"bell-B1": 1}
