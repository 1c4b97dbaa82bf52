"""What all tests share: how much the property tests try, and a PostgreSQL.

Properties are tried little while developing, much in continuous integration:
``HYPOTHESIS_PROFILE=ci make test``.

The PostgreSQL is a private one, started when the first test asks for it: the newest that is
installed, unless WHENCE_TEST_POSTGRES_VERSION says ``oldest`` or names one.
``WHENCE_TEST_POSTGRES=postgresql://...`` names another server, and a superuser there.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from whence.testing.postgres import PostgresServer, PrivatePostgres, chosen, installations

from . import packaged
from .servers import Mariadb, mariadb, redis_server, schemas

_SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("dev", max_examples=30, deadline=None, suppress_health_check=_SLOW)
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=_SLOW)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)
packaged.offer()


def pytest_report_header() -> list[str]:
    """Which PostgreSQL is tested with, and which could be: a missing version is not hidden."""
    found = [f"{each.version} ({each.bin})" for each in reversed(installations())] or ["none"]
    try:
        used = f"version {chosen().version}"
    except LookupError as error:
        raise pytest.UsageError(str(error)) from error
    except RuntimeError:
        used = "none"  # whoever needs one says how to get it
    if given := os.environ.get("WHENCE_TEST_POSTGRES"):
        used = f"{_fit(given)} of WHENCE_TEST_POSTGRES, {used} where a test starts one"
    return [f"postgresql: {used}; found: {', '.join(found)}"]


def _fit(url: str) -> str:
    """The version of a server, if the tests can be run on it."""
    ask = "select current_setting('server_version'), rolsuper from pg_roles where rolname = user"
    try:
        with psycopg.connect(url) as connection:
            ((version, can_do_all),) = connection.execute(ask).fetchall()
            ((prepared,),) = connection.execute("show max_prepared_transactions").fetchall()
    except psycopg.Error as error:
        raise pytest.UsageError(f"WHENCE_TEST_POSTGRES: {error}") from error
    if not can_do_all or int(prepared) < 10:
        raise pytest.UsageError(
            "WHENCE_TEST_POSTGRES: the role must be a superuser,"
            f" and max_prepared_transactions at least 10 (it is {prepared})"
        )
    return f"version {version}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that all tests share: do not stop it, start one of your own for that."""
    if given := os.environ.get("WHENCE_TEST_POSTGRES"):
        yield PostgresServer(given)
        return
    with PrivatePostgres(max_connections=200, max_prepared_transactions=10) as server:
        yield server


@pytest.fixture(scope="session")
def spare_databases(postgres: PostgresServer) -> Iterator[list[str]]:
    """Empty ones, to be used again: making one takes longer than most tests."""
    spare: list[str] = []
    yield spare
    for url in spare:
        postgres.drop_database(url)


@pytest.fixture
def postgres_url(postgres: PostgresServer, spare_databases: list[str]) -> Iterator[str]:
    """The URL of an empty database that nobody else uses."""
    url = spare_databases.pop() if spare_databases else postgres.create_database()
    yield url
    connections = _left_open(url)
    postgres.empty_database(url)
    assert not connections, "a test leaves connections open"
    spare_databases.append(url)


def _left_open(url: str, patience: float = 5.0) -> list[tuple[Any, ...]]:
    """Who is still connected to a database: its server takes a moment to see who has gone."""
    others = """
        select pid, application_name, state, query from pg_stat_activity
        where datname = current_database() and backend_type = 'client backend'
          and pid <> pg_backend_pid()
    """
    end = time.monotonic() + patience
    with psycopg.connect(url, autocommit=True) as connection:
        while found := connection.execute(others).fetchall():
            if time.monotonic() > end:
                break
            time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def postgres_schemas(postgres: PostgresServer) -> Iterator[Iterator[str]]:
    """URLs of fresh, empty stores."""
    with schemas(postgres) as urls:
        yield urls


@pytest.fixture
def postgres_schema(postgres_schemas: Iterator[str]) -> str:
    """The URL of a fresh, empty store."""
    return next(postgres_schemas)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of each kind that lasts."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Mariadb]:
    """A private MariaDB that all tests share."""
    with mariadb() as server:
        yield server


@pytest.fixture
def mariadb_url(mariadb_server: Mariadb) -> str:
    """The URL of an empty database in it."""
    return mariadb_server.create_database()


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A private Redis that all tests share: each uses names of its own in it."""
    with redis_server() as url:
        yield url
