"""What is wrong with a server gets an error that says so and what to do; then it goes on."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from whence.backends import backend
from whence.backends.postgres import PostgresStore
from whence.envelope import NewEvent
from whence.errors import (
    DamagedStore,
    ForeignStore,
    ReadOnlyStore,
    StoreBusy,
    StoreError,
    WiringError,
)
from whence.store import ALL
from whence.testing.conformance.words import (
    append,
    collect,
    commit,
    event,
    happened,
    outcome,
    stored,
    types,
)
from whence.testing.postgres import PostgresServer, PrivatePostgres
from whence.testing.servers import free_port

from .slow import Session


def do(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def changed(url: str, **parts: str) -> str:
    """Another ``user``, ``password``, ``place`` or ``database``."""
    was = urlsplit(url)
    user, password = parts.get("user", was.username), parts.get("password", was.password)
    place = parts.get("place", was.netloc.rpartition("@")[2])
    path = parts.get("database", was.path)
    return urlunsplit(was._replace(netloc=f"{user}:{password}@{place}", path=path))


async def refusal(url: str, kind: type[StoreError] = StoreError) -> str:
    """What opening says; exactly that kind of error, and no password in it."""
    with pytest.raises(StoreError) as caught:
        async with PostgresStore(url):
            raise AssertionError("it opened")
    assert type(caught.value) is kind, repr(caught.value)
    said = str(caught.value)
    assert (urlsplit(url).password or "no password") not in said
    assert urlsplit(url).hostname or "" in said
    return said


# Who cannot come in


async def test_a_wrong_password(postgres_url: str) -> None:
    said = await refusal(changed(postgres_url, password="wrong0815"))
    assert "password authentication failed" in said
    assert "PGPASSWORD" in said


async def test_a_missing_database(postgres_url: str) -> None:
    said = await refusal(changed(postgres_url, database="/nowhere"))
    assert '"nowhere" does not exist' in said
    assert "createdb" in said


async def test_a_missing_role(postgres: PostgresServer) -> None:
    with PrivatePostgres() as server:
        server.write("pg_hba.conf", "host all all 127.0.0.1/32 trust\n")
        server.restart()
        said = await refusal(changed(server.url(), user="nobody"))
        assert 'role "nobody" does not exist' in said
        assert "this role may not connect" in said
        server.write("pg_hba.conf", "host all postgres 127.0.0.1/32 trust\n")
        server.restart()
        said = await refusal(changed(server.url(), user="nobody"))
        assert "pg_hba.conf" in said


async def test_nobody_listens_there(postgres_url: str) -> None:
    said = await refusal(changed(postgres_url, place=f"127.0.0.1:{free_port()}"))
    assert "Connection refused" in said
    assert "check host and port" in said


async def test_no_such_host(postgres_url: str) -> None:
    said = await refusal(changed(postgres_url, place="nowhere.invalid:5432"))
    assert "check host and port" in said


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "whence.backends.postgres", None)
    with pytest.raises(WiringError, match=r"pip install 'whence\[postgres\]'"):
        backend("postgresql://localhost/bank")


async def test_too_many_connections() -> None:
    with PrivatePostgres(max_connections=12) as server:
        url = server.create_database()
        async with PostgresStore(url) as store:
            await append(store, event("first"))
            async with AsyncExitStack() as others:
                said = ""
                while not said:
                    other = await psycopg.AsyncConnection.connect(url)
                    others.push_async_callback(other.close)
                    said = await refused(url)
                assert "allow more connections" in said
                stored(await outcome(store, happened("s")))  # who is in stays in
            async with PostgresStore(url) as another:
                assert (await types(another.read(ALL)))[-1] == "happened"


async def refused(url: str) -> str:
    """What is said when there is no connection for one more; nothing, if there is."""
    try:
        async with PostgresStore(url) as store:
            await append(store, event("more"))
    except StoreBusy as error:
        return str(error)
    return ""


# Who may not do it


@pytest.fixture
def somebody(postgres_url: str) -> Iterator[str]:
    """A role without any right, as a URL."""
    name = "some" + urlsplit(postgres_url).path[-8:]
    do(postgres_url, f"create role {name} login password 'secret4711'")
    yield changed(postgres_url, user=name, password="secret4711")
    do(postgres_url, f"drop owned by {name}; drop role {name}".partition(";")[0])
    do(postgres_url, f"drop role {name}")


async def test_no_right_to_create_the_schema(somebody: str) -> None:
    said = await refusal(somebody, ReadOnlyStore)
    assert "permission denied for database" in said
    assert "whence db roles" in said


async def test_no_right_to_look(postgres_url: str, somebody: str) -> None:
    async with PostgresStore(postgres_url):
        said = await refusal(somebody, ReadOnlyStore)
    assert "permission denied for" in said


async def test_no_right_to_append(postgres_url: str, somebody: str) -> None:
    name = urlsplit(somebody).username
    async with PostgresStore(postgres_url) as store:
        await append(store, event("a"))
        do(
            postgres_url,
            f"grant usage on schema whence to {name}",
            f"grant select on all tables in schema whence to {name}",
            f"grant select on sequence whence.positions to {name}",
        )
        async with PostgresStore(somebody) as mine:
            assert await types(mine.read(ALL)) == ["a"]
            with pytest.raises(ReadOnlyStore, match="permission denied"):
                await append(mine, event("b"))
            do(
                postgres_url,
                f"grant insert on whence.events, whence.tags to {name}",
                f"grant usage on sequence whence.positions to {name}",
            )
            await append(mine, event("c"))
        assert await types(store.read(ALL)) == ["a", "c"]


# A server that is none


async def test_a_server_that_only_reads(postgres_url: str) -> None:
    name = urlsplit(postgres_url).path[1:]
    async with PostgresStore(postgres_url) as store:
        await append(store, event("a"))
    do(postgres_url, f'alter database "{name}" set default_transaction_read_only = on')
    said = await refusal(postgres_url, ReadOnlyStore)
    assert "default_transaction_read_only = off" in said
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = off")
        connection.execute(f'alter database "{name}" reset all'.encode())
    async with PostgresStore(postgres_url) as store:
        await append(store, event("b"))
        assert await types(store.read(ALL)) == ["a", "b"]


async def test_a_server_that_begins_to_only_read(
    postgres_url: str,
) -> None:
    """As a primary does that has become a replica."""
    name = urlsplit(postgres_url).path[1:]
    async with PostgresStore(postgres_url) as store:
        do(
            postgres_url,
            f'alter database "{name}" set default_transaction_read_only = on',
            "set default_transaction_read_only = off",
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'whence writer' and datname = current_database()",
        )
        with pytest.raises(ReadOnlyStore, match="a replica is no store"):
            await append(store, event())
        assert await types(store.read(ALL)) == []
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("set default_transaction_read_only = off")
            connection.execute(f'alter database "{name}" reset all'.encode())
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where application_name = 'whence writer' and datname = current_database()"
            )
        await append(store, event("b"))
        assert await types(store.read(ALL)) == ["b"]


async def test_a_replica() -> None:
    with PrivatePostgres() as primary, PrivatePostgres(hot_standby="on") as replica:
        url = primary.create_database()
        async with PostgresStore(url) as store:
            await append(store, event("a"))
        await follow(primary, replica)
        there = changed(url, place=f"127.0.0.1:{replica.port}")
        assert "a store must be the primary server" in await refusal(there, ReadOnlyStore)
        do(there, "select pg_promote()")
        async with PostgresStore(there) as store:
            await append(store, event("b"))
            assert await types(store.read(ALL)) == ["a", "b"]


async def follow(primary: PrivatePostgres, replica: PrivatePostgres) -> None:
    """Make ``replica`` a copy of ``primary`` that follows it."""
    replica.stop()
    for path in sorted(replica.data.rglob("*"), reverse=True):
        path.unlink() if path.is_file() or path.is_symlink() else path.rmdir()
    replica._folder.run(  # pyright: ignore[reportPrivateUsage]
        str(replica.installation.bin / "pg_basebackup"),
        f"--pgdata={replica.data}",
        f"--dbname={primary.url()}",
        "--write-recovery-conf",
        "--checkpoint=fast",
        "--no-sync",
    )
    replica.start()


# What is in the database already


async def test_tables_of_somebody_else(postgres_url: str) -> None:
    do(postgres_url, "create schema whence", "create table whence.events (id int)")
    said = await refusal(postgres_url, ForeignStore)
    assert "name another, ?schema=" in said
    async with PostgresStore(f"{postgres_url}?schema=other") as store:
        await append(store, event())
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select count(*) from whence.events").fetchone() == (0,)


async def test_a_schema_that_is_there_and_empty(postgres_url: str) -> None:
    do(postgres_url, "create schema whence")
    async with PostgresStore(postgres_url) as store:
        await append(store, event())


async def test_a_log_restored_without_its_sequence(postgres_url: str) -> None:
    async with PostgresStore(postgres_url) as store:
        await append(store, event("a"), event("b"), event("c"))
        do(postgres_url, "select setval('whence.positions', 1)")
        with pytest.raises(DamagedStore, match="sequence"):
            await append(store, event("d"))
    said = await refusal(postgres_url, DamagedStore)
    do(postgres_url, said[said.index("`") + 1 : said.rindex("`")])
    async with PostgresStore(postgres_url) as store:
        await append(store, event("d"))
        assert await types(store.read(ALL)) == ["a", "b", "c", "d"]


async def test_a_database_that_cannot_hold_every_text(postgres: PostgresServer) -> None:
    latin = "whence_latin"
    postgres.execute(f"create database {latin} encoding 'latin1' template template0")
    try:
        said = await refusal(postgres.url(latin))
    finally:
        postgres.drop_database(postgres.url(latin))
    assert "LATIN1" in said
    assert "--encoding=UTF8" in said


# Settings that would do harm


@pytest.mark.parametrize(
    "setting",
    [
        "default_transaction_isolation = 'serializable'",
        "default_transaction_isolation = 'repeatable read'",
        "search_path = ''",
        "client_encoding = 'latin1'",
        "bytea_output = 'escape'",
        "standard_conforming_strings = off",
        "statement_timeout = 1",
        "idle_session_timeout = 1",
        "row_security = off",
        "synchronous_commit = off",
        "plan_cache_mode = force_custom_plan",
        "enable_indexscan = off",
    ],
)
async def test_settings_of_the_database_do_no_harm(postgres_url: str, setting: str) -> None:
    name = urlsplit(postgres_url).path[1:]
    do(postgres_url, f'alter database "{name}" set {setting}')
    try:
        async with PostgresStore(postgres_url) as store:
            given = NewEvent("paid", b"\x00\xff\\", "straße-🦆", ("a\\", '"b"'), b"{}")
            for version in range(3):
                await asyncio.sleep(0.005)
                one = commit(given, expected={given.stream: version})
                two = commit(event("x", "", "a\\"), unless=None)
                for told in await asyncio.gather(outcome(store, one), outcome(store, two)):
                    stored(told)
            found = [e for e in await collect(store.read(ALL)) if e.type == "paid"]
            assert [(e.stream, e.data, e.tags) for e in found] == [
                (given.stream, given.data, given.tags)
            ] * 3
    finally:
        with psycopg.connect(postgres_url, autocommit=True, options=TAME) as c:
            c.execute(f'alter database "{name}" reset all'.encode())


TAME = "-c statement_timeout=0 -c idle_session_timeout=0"


async def test_an_append_inside_a_transaction_that_sees_the_past_is_refused(
    postgres_url: str,
) -> None:
    async with PostgresStore(postgres_url):
        with Session(postgres_url) as session:
            session.run("set transaction isolation level repeatable read")
            with pytest.raises(psycopg.Error, match='not "repeatable read"'):
                session.happens("a")


# Servers that go away and come back


@pytest.fixture(scope="module")
def server() -> Iterator[PrivatePostgres]:
    """One that a test may stop."""
    with PrivatePostgres() as started:
        yield started


async def test_a_server_that_goes_away_and_comes_back(
    server: PrivatePostgres,
) -> None:
    async with PostgresStore(server.create_database()) as store:
        await append(store, event("before"))
        server.stop()
        lost = happened("s", expected=0)
        with pytest.raises(StoreError, match="check host and port, and that the server runs"):
            await outcome(store, lost)
        with pytest.raises(StoreError, match="check host and port, and that the server runs"):
            await store.head()
        waiting = asyncio.create_task(store.wait(1, 60))
        server.start()
        stored(await outcome(store, lost))
        assert await types(store.read(ALL)) == ["before", "happened"]
        await asyncio.wait_for(waiting, 30)


async def test_a_stop_while_somebody_appends(server: PrivatePostgres) -> None:
    """The server waits for its clients, who do not know: then it is told not to wait."""
    async with PostgresStore(server.create_database()) as store:
        await append(store, event("a"))
        server.restart("fast")
        await append(store, event("b"))
        assert await types(store.read(ALL)) == ["a", "b"]


# A full disk


OWN_DISK = Path(__file__).with_name("full_disk.py")


async def test_a_full_disk() -> None:
    """In a process of its own, which mounts a small disk that nobody else sees."""
    command, way = ["unshare", "--mount", "--propagation=private"], ""
    if os.geteuid() != 0:  # root of what it mounts; but PostgreSQL does not want to be root
        command += ["--user", "--map-root-user"]
        way = "unshare --user --map-user=1000 --map-group=1000"
    process = await asyncio.create_subprocess_exec(
        *command, sys.executable, str(OWN_DISK), "mount", way, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
