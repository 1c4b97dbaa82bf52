"""A process is forked while something is open: whoever uses that there is told, nobody waits."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

from tests.unit.bells import Bell, Bells, Ring
from whence import App
from whence.backends.sqlite import SqliteStore
from whence.errors import WhenceError
from whence.testing.conformance.words import append, event

Alone = Callable[..., str]


def in_a_fork(work: Callable[[], object]) -> None:
    """Do ``work`` in a fork of this process, and print what comes of it."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        print("done", work(), flush=True)
    except WhenceError as error:
        print("raised", error, flush=True)
    finally:
        os._exit(0)


def in_a_loop(work: Coroutine[object, object, object]) -> object:
    """Also where the fork was made by what runs in an event loop."""
    asyncio._set_running_loop(None)
    return asyncio.run(work)


def bells(path: str) -> App:
    return App("bells", Bell, Bells, store=f"sqlite:///{path}")


def ring(app: App) -> int:
    with app.sync as bells:
        receipt = bells.send(Ring("B1"))
        row = bells.read(Bells).get("B1", after=receipt)
        return row.rung if row else 0


def use_a_script(path: str) -> None:
    app = bells(path)
    with app.sync as opened:
        opened.send(Ring("B1"))
        in_a_fork(lambda: opened.send(Ring("B1")))
        in_a_fork(lambda: opened.read(Bells).all())
        in_a_fork(lambda: ring(app))
        in_a_fork(lambda: ring(bells(path)))
        in_a_fork(lambda: opened.__exit__())
        in_a_fork(lambda: ring(bells(f"{path}.other")))
        opened.send(Ring("B1"))
    in_a_fork(lambda: ring(app))


async def use_a_loop(path: str) -> None:
    app = bells(path)
    async with app:
        await app.send(Ring("B1"))
        in_a_fork(lambda: in_a_loop(app.send(Ring("B1"))))
        in_a_fork(lambda: in_a_loop(app.__aexit__(None, None, None)))
        await app.send(Ring("B1"))
    print(ring(app))


async def use_a_store(path: str) -> None:
    async with SqliteStore(path) as store:
        for _ in range(20):  # until the event loop appends by itself
            await append(store, event())
        in_a_fork(lambda: in_a_loop(append(store, event())))
        in_a_fork(lambda: in_a_loop(store.head()))
        in_a_fork(lambda: in_a_loop(store.close()))
        in_a_fork(lambda: in_a_loop(SqliteStore(path).open()))
        await append(store, event())
        print(await store.head())


HERE = "open it here, after the fork"
BOUND = "is open in the process that this one was forked from, and no SQLite file can be used"


def test_a_script(alone: Alone, tmp_path: Path) -> None:
    path = tmp_path / "bells.db"
    sent, read, again, other, closed, elsewhere, after = alone(use_a_script, path).splitlines()
    assert sent == closed == "raised bells is not open: use `with app.sync:`"
    assert read == "raised bells is open in the process that this one was forked from: " + HERE
    assert again.startswith(f"raised {path} {BOUND}")
    assert other == again
    assert (elsewhere, after) == ("done 1", "done 3")


def test_an_event_loop(alone: Alone, tmp_path: Path) -> None:
    sent, closed, rung = alone(use_a_loop, tmp_path / "bells.db").splitlines()
    assert sent.endswith(HERE)
    assert closed == sent
    assert rung == "3"


def test_a_store(alone: Alone, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    appended, read, closed, opened, head = alone(use_a_store, path).splitlines()
    assert appended.startswith(f"raised {path} {BOUND}")
    assert appended == read == opened
    assert (closed, head) == ("done None", "21")
