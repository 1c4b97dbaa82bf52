"""Every PostgreSQL that this machine has: what is essential, on each of them in one run.

So are `test_ordering` and `test_promises`. All other tests run on one version.
"""

import asyncio
from collections.abc import Iterator
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import psycopg
import pytest

from bank import Account, Balance, DepositMoney, OpenAccount, app
from whence.backends.postgres import PostgresStore
from whence.backends.postgres.address import address
from whence.backends.postgres.health import examine
from whence.backends.postgres.upgrading import PostgresSchema
from whence.errors import StoreError
from whence.store import ALL
from whence.testing.conformance.words import append, collect, event, happened, outcome, stored
from whence.testing.postgres import PrivatePostgres, chosen

from .conftest import VERSIONS
from .slow import log

RESERVED = 7


@pytest.fixture(scope="module")
def newest() -> Iterator[PrivatePostgres]:
    with PrivatePostgres([*VERSIONS.values()][-1]) as server:
        yield server


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[PrivatePostgres]:
    installed = VERSIONS[request.param] or chosen()
    reserved = {"reserved_connections": RESERVED} if installed.version >= 16 else {}
    with PrivatePostgres(installed, max_connections=50, **reserved) as server:
        yield server


@pytest.fixture
def url(server: PrivatePostgres) -> str:
    return server.create_database()


async def test_commands_become_events_and_rows(url: str) -> None:
    tables = PostgresSchema(address(url))
    assert await tables.upgrade() == (await tables.status()).migrations
    async with app.using(store=url) as bank:
        await bank.send(OpenAccount("ACC1", "ann"))
        receipt = await bank.send(DepositMoney("ACC1", 7))
        row = await bank.read(Balance).after(receipt).get("ACC1")
        assert row is not None
        assert row.balance == 7
    async with app.using(store=url) as bank:
        await bank.send(DepositMoney("ACC1", 1))
        assert (await bank.history(Account, "ACC1").at(version=3)).balance == 8


async def test_the_least_rights_are_enough(server: PrivatePostgres, url: str) -> None:
    tables = PostgresSchema(address(url))
    script = f"{await tables.sql()}\n{tables.roles('writer', 'reader')}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script.encode())
        connection.execute("alter role writer password 'known'")
    writer = url.replace(server.environment["PGPASSWORD"], "known").replace("postgres:", "writer:")
    async with app.using(store=writer) as bank:
        receipt = await bank.send(OpenAccount("ACC1", "ann"))
        assert await bank.read(Balance).after(receipt).get("ACC1")
    with (
        psycopg.connect(writer) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("delete from whence.events")
    for who in (url, writer):
        assert [found for found in await examine(address(who)) if found.level != "fine"] == []


async def test_the_doctor_counts_the_connections_that_all_may_use(
    server: PrivatePostgres, url: str
) -> None:
    await PostgresSchema(address(url)).upgrade()
    found = {finding.name: finding for finding in await examine(address(url))}
    most = 50 - 3 - (RESERVED if server.installation.version >= 16 else 0)
    assert f" of {most} connections in use" in found["connections"].says


async def test_a_dump_is_restored_into_the_newest(url: str, newest: PrivatePostgres) -> None:
    async with PostgresStore(url) as store:
        with psycopg.connect(url, autocommit=True) as connection:
            for _ in range(50):  # ids of transactions that the new cluster has not reached
                connection.execute("select pg_current_xact_id()")
        tagged = await append(store, event("a", "s", "x:1"), event("b", "s"))
        before = await collect(store.read(ALL))
    there = newest.create_database()
    dumped = await run(newest, "pg_dump", url)
    await run(newest, "psql", "--set=ON_ERROR_STOP=1", there, feed=dumped)
    async with PostgresStore(there) as restored:
        assert await collect(restored.read(ALL)) == before
        assert await restored.head() == tagged.position
        after = stored(await outcome(restored, happened("s", expected=2)))
        assert after.position > tagged.position
        assert await log(restored) == ["a", "b", "happened"]


class Old(StreamRequestHandler):
    """Says what PostgreSQL 13 says to those who connect."""

    def handle(self) -> None:
        size = int.from_bytes(self.rfile.read(4), "big")
        if b"idle_session_timeout" in self.rfile.read(size - 4):
            said = b'Munrecognized configuration parameter "idle_session_timeout"\0'
            self.say(b"E", b"SFATAL\0VFATAL\0C42704\0" + said + b"\0")
        else:
            self.say(b"R", bytes(4))
            self.say(b"S", b"server_version\x0013.4\0")
            self.say(b"Z", b"I")
            self.rfile.read()

    def say(self, kind: bytes, body: bytes) -> None:
        self.wfile.write(kind + (len(body) + 4).to_bytes(4, "big") + body)


@pytest.fixture
def old_server() -> Iterator[str]:
    with ThreadingTCPServer(("127.0.0.1", 0), Old) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"postgresql://ann@127.0.0.1:{server.server_address[1]}/bank?sslmode=disable"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("pooled", ["", "&pooled=yes"])
async def test_a_server_that_is_too_old_is_refused(old_server: str, pooled: str) -> None:
    with pytest.raises(StoreError, match="whence needs PostgreSQL 14 or newer"):
        await PostgresStore(old_server + pooled).open()


async def run(server: PrivatePostgres, program: str, *words: str, feed: bytes = b"") -> bytes:
    process = await asyncio.create_subprocess_exec(
        str(server.installation.bin / program),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate(feed)
    assert process.returncode == 0
    return said
