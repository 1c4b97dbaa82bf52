"""The same verbs for code that does not await: in scripts, closed and not closed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from whence import App, Receipt, Rejected
from whence.errors import NotFound, WhenceError
from whence.history import Changed
from whence.pipeline import Handle
from whence.sending import Context

from .bells import Bell, Bells, Ring


@pytest.fixture
def app() -> App:
    return App("bells", Bell, Bells, store="memory://")


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_the_verbs_block_and_answer(app: App) -> None:
    with app.sync as bells:
        receipt = bells.send(Ring("B1"), by="ann", id="r1")
        assert receipt == Receipt(1, {"bell-B1": 1}, ("r1.0",))
        assert bells.send(Ring("B1"), id="r1").duplicate
        bells.send(Ring("B1", 2))
        history = bells.history(Bell, "B1")
        assert history.now().rung == 3
        assert (history.at(1).rung, history.at(version=2).rung, history.at(position=0).rung) == (
            1, 2, 0,
        )  # fmt: skip
        assert history.diff(1, 3) == [Changed("rung", 1, 3)]
        assert [past.version for past in history.events(after=1)] == [2, 3]
        assert bells.history("bell", "B1").now().rung == 3


def test_rows_are_read_without_awaiting(app: App) -> None:
    with app.sync as bells:
        for id, times in (("B1", 1), ("B2", 3), ("B3", 2)):
            receipt = bells.send(Ring(id, times))
        row = bells.read(Bells).get("B3", after=receipt)
        assert row is not None
        assert (row.rung, row.version) == (2, 2)
        assert bells.read(Bells).get("B9") is None
        rows = bells.read(Bells).after(receipt).order_by("-rung")
        assert [each.bell_id for each in rows] == ["B2", "B3", "B1"]
        assert [each.bell_id for each in rows.limit(1).offset(1).all()] == ["B3"]
        first = rows.where(rung=1).first()
        assert first is not None
        assert first.bell_id == "B1"
        assert (rows.count(), rows.where(bell_id="B9").count()) == (3, 0)


def test_errors_come_through(app: App) -> None:
    with app.sync as bells:
        with pytest.raises(Rejected, match="The neighbours complain"):
            bells.send(Ring("B1", 10))
        with pytest.raises(NotFound):
            bells.history(Bell, "B1").at(5)
    with pytest.raises(ZeroDivisionError), app.sync:
        _ = 1 / 0


def test_it_may_be_opened_again_after_it_was_closed(tmp_path: Path) -> None:
    app = App("bells", Bell, store=f"sqlite:///{tmp_path / 'b.db'}")
    before = threads()
    for n in range(3):
        with app.sync as bells:
            assert bells.send(Ring("B1")).versions == {"bell-B1": n + 1}
            assert "whence bells" in threads()
    assert threads() - before == set()


def test_it_is_opened_once_at_a_time(app: App) -> None:
    with app.sync as bells:
        with pytest.raises(WhenceError, match="bells is open already"), app.sync:
            pass
        assert bells.send(Ring("B1")).events


def test_an_application_is_open_for_scripts_or_for_tasks_not_for_both(app: App) -> None:
    async def both() -> None:
        async with app:
            with pytest.raises(WhenceError, match="bells is open already"), app.sync:
                pass
            await app.send(Ring("B1"))

    asyncio.run(both())


def test_a_closed_one_says_how_to_open_it(app: App) -> None:
    for _ in range(2):
        with pytest.raises(WhenceError, match=r"bells is not open: use `with app.sync:`"):
            app.sync.send(Ring("B1"))
        with app.sync:
            pass


def test_one_that_cannot_be_opened_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "b.db").write_bytes(b"no database" * 1000)
    app = App("bells", Bell, store=f"sqlite:///{tmp_path / 'b.db'}")
    before = threads()
    for _ in range(2):
        with pytest.raises(WhenceError), app.sync:
            pass
    assert threads() - before == set()


def test_several_threads_may_share_it(app: App) -> None:
    with app.sync as bells:

        def work() -> None:
            for _ in range(20):
                bells.send(Ring("B1"))

        workers = [threading.Thread(target=work) for _ in range(5)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert bells.history(Bell, "B1").now().rung == 100


def test_what_runs_inside_cannot_wait_for_itself(app: App) -> None:
    @app.use
    async def confused(context: Context, call_next: Handle) -> Receipt:
        app.sync.send(Ring("B2"))
        return await call_next(context)

    with app.sync as bells, pytest.raises(WhenceError, match="bells would wait for itself"):
        bells.send(Ring("B1"))


def test_what_is_interrupted_does_not_go_on(app: App) -> None:
    cancelled = threading.Event()

    async def wait_long() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with app.sync as bells:
        interrupt = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            bells.run(wait_long())
        assert cancelled.wait(5)
        assert bells.send(Ring("B1")).events
        interrupt.join()


def test_what_is_left_running_is_ended(app: App) -> None:
    async def leave() -> None:
        leaving.append(asyncio.create_task(asyncio.sleep(60)))

    leaving: list[asyncio.Task[None]] = []
    with app.sync as bells:
        bells.run(leave())
    assert leaving[0].cancelled()


SCRIPT = """
from whence import Aggregate, App, command, decide, event, evolve

@event
class Rung:
    bell_id: str

@command
class Ring:
    bell_id: str

class Bell(Aggregate):
    @decide
    def ring(self, command: Ring):
        yield Rung(self.id)

app = App("bells", Bell, store="sqlite:///{path}")
"""


@pytest.mark.parametrize(
    "end",
    [
        "with app.sync:\n    print(app.sync.send(Ring('B1')).position)\n",
        "app.sync.__enter__()\nprint(app.sync.send(Ring('B1')).position)\n",
        "app.sync.__enter__()\nprint(app.sync.send(Ring('B1')).position)\nraise SystemExit(0)\n",
        "with app.sync:\n    print(app.sync.send(Ring('B1')).position)\n    raise SystemExit(0)\n",
    ],
)
def test_a_script_ends_whether_it_closes_or_not(tmp_path: Path, end: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(path=tmp_path / "b.db") + end)
    for n in (1, 2):
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert (done.stdout, done.stderr) == (f"{n}\n", "")
