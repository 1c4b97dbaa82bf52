"""What `whence doctor` and the metrics say of a PostgreSQL: who holds others up, and what ails."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from whence.backends import backend
from whence.backends.postgres import PostgresStore, health, watcher
from whence.health import Finding
from whence.telemetry import Telemetry
from whence.testing.conformance.words import append, commit, event, happened, outcome, stored
from whence.testing.postgres import PrivatePostgres

from .slow import Session, until


@pytest.fixture
async def store(postgres_schema: str) -> AsyncIterator[PostgresStore]:
    async with PostgresStore(postgres_schema) as store:
        yield store


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_SOON", 0.0)
    monkeypatch.setattr(health, "_LONG", 0.0)


async def finding(store: PostgresStore, name: str) -> Finding:
    (found,) = [each for each in await store.examine() if each.name == name]
    return found


async def test_all_is_well(postgres_schema: str) -> None:
    opened = backend(postgres_schema)
    await opened.open()
    try:
        found = await opened.examine()
    finally:
        await opened.close()
    assert {each.name: each.level for each in found} == dict.fromkeys(
        ["server", "schema", "durability", "delivery", "appends", "connections", "replication"],
        "fine",
    )


# Who holds others up


async def test_who_holds_up_delivery_is_named(store: PostgresStore, postgres_schema: str) -> None:
    first = await append(store, event())
    with Session(postgres_schema) as slow:
        slow.run("set application_name = 'nightly import'")
        slow.happens("slow")
        found = await finding(store, "delivery")
        user = slow.connection.info.user
        assert found.level == "problem"
        assert f"after position {first.position} are not delivered" in found.says
        assert f"process {slow.pid} of {user}@127.0.0.1 (nightly import)" in found.says
        assert "idle in transaction, for " in found.says
        assert "append_each" in found.says
        assert f"pg_terminate_backend({slow.pid})" in found.remedy
    assert (await finding(store, "delivery")).level == "fine"


async def test_a_prepared_transaction_that_holds_up_delivery_is_named(
    store: PostgresStore, postgres_schema: str
) -> None:
    with Session(postgres_schema) as slow:
        slow.happens("slow")
        slow.run("prepare transaction 'it''s forgotten'")
    found = await finding(store, "delivery")
    assert 'the prepared transaction "it\'s forgotten"' in found.says
    assert "rollback prepared 'it''s forgotten'" in found.remedy
    with psycopg.connect(store.address.url, autocommit=True) as connection:
        connection.execute("rollback prepared 'it''s forgotten'")
    assert (await finding(store, "delivery")).level == "fine"


async def test_an_append_elsewhere_is_not_blamed(
    store: PostgresStore, postgres_schemas: Iterator[str]
) -> None:
    elsewhere = next(postgres_schemas)
    async with PostgresStore(elsewhere):
        with Session(elsewhere) as slow:
            slow.happens("slow")
            assert (await finding(store, "delivery")).level == "fine"


@pytest.mark.parametrize("prepared", [False, True], ids=["session", "prepared transaction"])
async def test_who_keeps_appends_waiting_is_named(
    store: PostgresStore, postgres_schema: str, prepared: bool
) -> None:
    assert (await finding(store, "appends")).level == "fine"
    with Session(postgres_schema) as slow:
        slow.happens("slow", "s")
        name = f"process {slow.pid}"
        if prepared:
            slow.run("prepare transaction 'waiting'")
            name = "prepared transaction 'waiting'"
        waiting = asyncio.create_task(outcome(store, happened("s")))
        await until(lambda: troubled(store, "appends"))
        found = await finding(store, "appends")
        assert found.level == "problem"
        assert name in found.says
        if prepared:
            slow.connection.autocommit = True
            slow.run("rollback prepared 'waiting'")
        else:
            slow.connection.rollback()
        stored(await waiting)


async def test_who_holds_up_delivery_for_long_is_logged_once_and_measured(
    store: PostgresStore,
    postgres_schema: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watcher, "_LONG", 0.05)
    async with PostgresStore(postgres_schema) as impatient:
        waiting = asyncio.create_task(impatient.wait(100, 60))
        with Session(postgres_schema) as slow, caplog.at_level(logging.WARNING, "whence"):
            slow.happens("slow")
            await until(lambda: held(impatient, 0.3, 60))
            (line,) = [record.message for record in caplog.records]
            assert f"not delivered because of process {slow.pid} of" in line
        await until(lambda: held(impatient, 0, 0))
        waiting.cancel()


async def test_the_metric_names_who_holds_up_delivery_and_lets_go(
    store: PostgresStore, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "_LONG", 0.05)
    said: list[tuple[float, dict[str, str]]] = []

    def gauge(self: Telemetry, name: str, value: float, **labels: str) -> None:
        said.append((value, labels))

    async def ended() -> bool:
        return said[-1:] == [(0.0, {})] and len(said) > 2

    async def named() -> bool:
        return any(value for value, _ in said)

    monkeypatch.setattr(Telemetry, "gauge", gauge)
    async with PostgresStore(postgres_schema) as impatient:
        waiting = asyncio.create_task(impatient.wait(100, 60))
        with Session(postgres_schema) as slow:
            slow.draw()
            await until(named)
            labels = next(labels for value, labels in said if value)
            assert labels["holder"].startswith(f"process {slow.pid} of ")
            assert "nextval" in labels["query"]
            assert labels["state"] == "idle in transaction"
        await until(ended)
        assert (0.0, labels) in said
        waiting.cancel()


async def held(store: PostgresStore, least: float, most: float) -> bool:
    return least <= store.telemetry.gauges.get("delivery.held", -1) <= most


# What ails a server


async def test_a_server_that_forgets_in_a_crash_is_a_problem() -> None:
    with PrivatePostgres(fsync="off", synchronous_commit="off") as server:
        async with PostgresStore(server.create_database()) as store:
            found = await finding(store, "durability")
            assert (found.level, found.says[:9]) == ("problem", "fsync=off")
        server.settings["fsync"] = "on"
        server.restart()
        async with PostgresStore(server.create_database()) as store:
            found = await finding(store, "durability")
            assert (found.level, "appends turn it on" in found.says) == ("note", True)


async def test_an_append_is_durable_whatever_the_server_is_set_to() -> None:
    """With commits that do not wait for the disk, the newest are lost in a crash."""
    with PrivatePostgres(synchronous_commit="off", wal_writer_delay="10s") as server:
        url = server.create_database()
        async with PostgresStore(url) as store:
            some = [commit(event("a", f"s{number}")) for number in range(20)]
            for each in some:
                stored(await outcome(store, each))
            server.stop("immediate")
        server.start()
        async with PostgresStore(url) as store:
            assert await store.head() == 20


async def test_a_standby_that_all_commits_wait_for_is_a_problem(
    store: PostgresStore,
) -> None:
    with PrivatePostgres() as server:
        async with PostgresStore(server.create_database()) as synchronous:
            server.execute("alter system set synchronous_standby_names = 'elsewhere'")
            server.execute("select pg_reload_conf()")
            await until(lambda: troubled(synchronous, "durability"))
            found = await finding(synchronous, "durability")
            assert "none of the standbys elsewhere is connected" in found.says


async def troubled(store: PostgresStore, name: str) -> bool:
    return (await finding(store, name)).level != "fine"


async def test_a_slot_that_nobody_uses_is_a_note() -> None:
    with PrivatePostgres() as server:
        async with PostgresStore(server.create_database()) as store:
            server.execute("select pg_create_physical_replication_slot('old', true)")
            found = await finding(store, "replication")
            assert (found.level, "slots old" in found.says) == ("note", True)


async def test_few_connections_that_are_left_are_a_problem(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_FEW", 10_000)
    found = await finding(store, "connections")
    assert (found.level, "max_connections" in found.remedy) == ("problem", True)


async def test_a_log_restored_without_its_sequence_is_a_problem(store: PostgresStore) -> None:
    await append(store, event(), event())
    await store.query("select setval('whence.positions', 1)")
    found = await finding(store, "schema")
    assert (found.level, "the sequence only at 1" in found.says) == ("problem", True)
