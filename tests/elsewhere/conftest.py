"""Each kind of store for rows that there is an example of."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from library.redis_rows import RedisRows
from library.search_rows import SearchRows

_NUMBERS = count()


@pytest.fixture
def redis_rows(redis_url: str) -> Iterator[RedisRows]:
    """Empty rows in a Redis."""
    rows = RedisRows(redis_url, prefix=f"test{next(_NUMBERS)}:")
    yield rows
    rows.redis.close()


@pytest.fixture
def search_rows(tmp_path: Path) -> SearchRows:
    """Empty rows in a search index."""
    return SearchRows(tmp_path / "index", text=("owner",))


@pytest.fixture(params=["redis", "search"])
def store(request: pytest.FixtureRequest) -> RedisRows | SearchRows:
    """Any of them."""
    found: RedisRows | SearchRows = request.getfixturevalue(f"{request.param}_rows")
    return found
