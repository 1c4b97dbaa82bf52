"""A PgBouncer in transaction mode before the PostgreSQL that tests share; all other versions."""

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from whence.testing.postgres import Installation, PostgresServer, PrivatePostgres, installations
from whence.testing.servers import PATIENCE, ServerFolder, free_port

from ..servers import schemas

VERSIONS: Mapping[str, Installation | None] = {
    f"postgresql-{each.version}": each for each in reversed(installations())
} or {"none": None}
"""Each that is installed, the oldest first; or one that says how to install one."""
_GIVEN = "WHENCE_TEST_POSTGRES"
SERVERS = [*VERSIONS, *[_GIVEN for url in [os.environ.get(_GIVEN)] if url]]
"""And the one that is named, if one is."""

_CONFIGURATION = """\
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
"""
# Two connections to the server for everybody: whoever relies on having one of his own, fails.


@pytest.fixture(scope="session")
def bouncer(postgres: PostgresServer) -> Iterator[int]:
    """The port of a PgBouncer that lends connections for one transaction at a time."""
    folder = ServerFolder("pgbouncer", user="postgres")
    parts = urlsplit(postgres.url())
    users = folder.write("users", f'"{parts.username}" "{parts.password or ""}"\n')
    own = free_port()
    text = _CONFIGURATION.format(
        host=parts.hostname, port=parts.port or 5432, own=own, users=users
    )
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    try:
        process = folder.start(program, str(folder.write("pgbouncer.ini", text)))
        try:
            _wait_for(_through(own, postgres.url()), folder)
            yield own
        finally:
            process.end()
    finally:
        folder.remove()


@pytest.fixture
def pooled_url(bouncer: int, postgres: PostgresServer) -> Iterator[str]:
    """The URL of a fresh database, through PgBouncer, which has no old connections to it."""
    url = postgres.create_database()
    yield _through(bouncer, url)
    postgres.drop_database(url)


def _through(port: int, url: str) -> str:
    parts = urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{who}@127.0.0.1:{port}", query=""))


def _wait_for(url: str, folder: ServerFolder) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > until:
                raise RuntimeError(f"PgBouncer did not start:\n{folder.log}") from error
            time.sleep(0.02)


@pytest.fixture(scope="session", params=SERVERS)
def every_server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """Each version in turn, for what has to be seen on all of them in one run."""
    if request.param == _GIVEN:
        yield PostgresServer(os.environ[_GIVEN])
        return
    with PrivatePostgres(VERSIONS[request.param], max_prepared_transactions=10) as server:
        yield server


@pytest.fixture(scope="session")
def schemas_of_every_server(every_server: PostgresServer) -> Iterator[Iterator[str]]:
    """URLs of fresh, empty stores there."""
    with schemas(every_server) as urls:
        yield urls
