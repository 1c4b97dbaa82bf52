"""What all tests share: how much the property tests try, and a PostgreSQL.

Properties are tried little while developing, much in continuous integration:
``HYPOTHESIS_PROFILE=ci make test``.

The PostgreSQL is a private one, started when the first test asks for it.
``WHENCE_TEST_POSTGRES=postgresql://...`` names another, where databases can be made.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from whence.testing.postgres import PostgresServer, PrivatePostgres

_SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("dev", max_examples=30, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that all tests share: do not stop it, start one of your own for that."""
    if given := os.environ.get("WHENCE_TEST_POSTGRES"):
        yield PostgresServer(given)
        return
    with PrivatePostgres(max_connections=200, max_prepared_transactions=10) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty database."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)
