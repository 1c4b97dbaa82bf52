"""A database with the tables of workers and leases."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import Engine

from whence.backends.sql.board import Board

from .kit import Workers, connect


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = connect(postgres_url)
    with engine.begin() as connection:
        Board(engine.dialect).create(connection)
    yield engine
    engine.dispose()


@pytest.fixture
async def workers(postgres_url: str, engine: Engine) -> AsyncIterator[Workers]:
    async with AsyncExitStack() as stack:
        yield Workers(postgres_url, stack)
