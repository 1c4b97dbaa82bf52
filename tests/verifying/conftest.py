"""Every kind of store with its read models."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whence import App

from .accounts import Balance, app, fill


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def closed(request: pytest.FixtureRequest, tmp_path: Path) -> App:
    """An application on a fresh store, with its read models in each kind of database."""
    file = f"sqlite:///{tmp_path}/accounts.db"
    if request.param == "sqlite":
        return app.using(store=file)
    url: str = request.getfixturevalue(f"{request.param}_url")
    return app.using(store=file, read=url) if request.param == "mariadb" else app.using(store=url)


@pytest.fixture
async def accounts(closed: App) -> AsyncIterator[App]:
    """The same, open, with rows that have caught up."""
    async with closed as opened:
        await fill(opened)
        assert await opened.read(Balance).after(await opened.running.store.head(), 30).count()
        yield opened
