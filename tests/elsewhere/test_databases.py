"""One `Projection` on three kinds of SQL database."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from whence import App

from ..readside.counters import Sums, append, caught_up, counted, counters, many, sums


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/read.db"
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


async def rows(app: App) -> dict[Any, Any]:
    found = await app.running.reads.database.read(lambda c: c.execute(select(sums)).all())
    return {row[0]: row[1] for row in found}


async def test_it_writes_the_same_rows(database_url: str, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/log.db"
    expected = {f"C{n}": sum(range(n, 200, 20)) for n in range(20)}
    async with counters(database_url, Sums, store=store) as app:
        await append(app, *many(200, 20))
        await caught_up(app, "sums")
        assert await rows(app) == expected
    async with counters(database_url, Sums, store=store) as app:
        await append(app, counted("C0", 5))
        await caught_up(app, "sums")
        assert await rows(app) == expected | {"C0": expected["C0"] + 5}
        await app.projections.rebuild(Sums)
        assert await rows(app) == expected | {"C0": expected["C0"] + 5}
