"""`App.using`: the same application elsewhere, and what is added to it stays there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from whence import App, Receipt, WhenceError, command
from whence.errors import WiringError
from whence.pipeline import Handle
from whence.sending import Context

from .bells import Bell, Ring, Rung, bells


@command
class RingTwice:
    bell_id: str


@pytest.fixture
def app() -> App:
    app = bells()

    @app.decides
    def _(command: RingTwice, bell: Bell) -> Iterator[object]:
        yield Rung(bell.id)
        yield Rung(bell.id)

    return app


async def test_it_has_what_was_added_before(app: App) -> None:
    async with app.using(store="memory://") as other:
        assert (await other.send(RingTwice("B1"))).versions == {"bell-B1": 2}


async def test_a_step_that_is_added_to_it_stays_with_it(app: App) -> None:
    seen: list[str] = []

    async def see(context: Context, call_next: Handle) -> Receipt:
        seen.append(context.name)
        return await call_next(context)

    other = app.using(store="memory://")
    other.use(see)
    async with app, other:
        await app.send(Ring("B1"))
        assert seen == []
        await other.send(Ring("B1"))
        assert seen == ["Ring"]


async def test_a_decision_that_is_added_to_it_stays_with_it(app: App) -> None:
    @command
    class Muffle:
        bell_id: str

    other = app.using(store="memory://")

    @other.decides
    def _(command: Muffle, bell: Bell) -> list[object]:
        return []

    async with app, other:
        await other.send(Muffle("B1"))
        with pytest.raises(WhenceError, match="no handler"):
            await app.send(Muffle("B1"))


async def test_a_path_is_no_store(app: App) -> None:
    elsewhere = app.using(store=Path("bells.db"))  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(WiringError, match=r"Path\('bells.db'\) is no store: write a URL, as in"):
        await elsewhere.__aenter__()
