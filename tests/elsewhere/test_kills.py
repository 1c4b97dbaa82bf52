"""Processes that are killed while they write rows to a `RowStore`, or rebuild them there."""

import asyncio
import multiprocessing
import signal
from pathlib import Path

import pytest

from library.redis_rows import RedisRows
from library.search_rows import SearchRows
from whence.backends.sql import leases

from . import worker
from .accounts import append, bank, caught_up, fresh, mixed, rows

# Processes that are forked from one that has imported everything.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.elsewhere.worker"])

Case = tuple[str, str, int, bool]
SQL = "whence.backends.sql."
CASES: list[Case] = [
    ("before", f"{SQL}placing:Place.store", 2, False),
    ("after", f"{SQL}placing:Place.store", 2, False),
    ("after", f"{SQL}folding:RowFollower._write", 2, False),
    ("after", f"{SQL}placing:Place.empty", 2, True),
    ("after", f"{SQL}building:NextTable._flush", 2, True),
    ("before", f"{SQL}generations:Generations._rename_records", 1, True),
    ("before", f"{SQL}placed:PlacedGenerations.sweep", 2, True),
]
"""Before or after which call of which function, and whether they rebuild."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `dying.quicken`."""
    monkeypatch.setattr(leases, "LEASE", 1.5)


@pytest.mark.parametrize("case", range(len(CASES)))
async def test_rows_in_redis_become_right(redis_url: str, case: int, tmp_path: Path) -> None:
    log = f"sqlite:///{tmp_path}/log.db"
    await _killed(log, (redis_url, f"{tmp_path}:"), None, CASES[case])


@pytest.mark.parametrize("case", [1, 4, 6])
async def test_rows_in_an_index_become_right(case: int, tmp_path: Path) -> None:
    await _killed(f"sqlite:///{tmp_path}/log.db", tmp_path / "index", None, CASES[case])


@pytest.mark.parametrize("case", [1, 4])
async def test_so_they_do_where_slices_are_shared(
    redis_url: str, case: int, postgres_url: str, tmp_path: Path
) -> None:
    log, place = f"sqlite:///{tmp_path}/log.db", (redis_url, f"{tmp_path}:")
    await _killed(log, place, postgres_url, CASES[case])


async def _killed(log: str, place: worker.Redis | Path, read: str | None, case: Case) -> None:
    store = SearchRows(place, ("owner",)) if isinstance(place, Path) else RedisRows(*place)
    async with bank(log, store, read).using(projecting=False) as app:
        await append(app, *mixed(1_200, accounts=60))
    dying = PROCESSES.Process(target=worker.run, args=(log, place, read, case[3], case[:3]))
    dying.start()
    await asyncio.to_thread(dying.join, 60)
    assert dying.exitcode == -signal.SIGKILL
    async with bank(log, store, read) as app:
        await append(app, *mixed(10))
        await caught_up(app)
        (model,) = app.wiring.models
        assert await rows(app) == await fresh(app)
        await app.projections.rebuild(model)
        assert (await app.verify(model)).in_sync
        assert await rows(app) == await fresh(app)
    if isinstance(store, RedisRows):
        store.redis.close()
