"""Every kind of store with its read models."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whence import App

from .accounts import Balance, app, fill


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh store."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path}/accounts.db"


@pytest.fixture
async def accounts(store_url: str) -> AsyncIterator[App]:
    """An open application whose read model has caught up."""
    async with app.using(store=store_url) as opened:
        await fill(opened)
        assert await opened.read(Balance).after(await opened.running.store.head(), 30).count()
        yield opened
