"""A Redis for the tests."""

from collections.abc import Iterator

import pytest

from tests.servers import redis_server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a private Redis."""
    with redis_server() as url:
        yield url
