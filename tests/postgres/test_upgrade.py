"""Migrations: run once, while old processes go on, and never in anybody's way for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import psycopg
import pytest

from whence.backends.postgres import PostgresStore, schema
from whence.backends.postgres.address import address
from whence.backends.postgres.upgrading import PostgresSchema
from whence.errors import NewerSchema, StoreBusy, StoreError
from whence.store import ALL
from whence.testing.conformance.words import collect, happened, outcome, stored

THIRD = """
alter table whence.events add column remark text not null default 'none';
create index events_by_remark on whence.events (remark);
"""


@pytest.fixture
def tables(postgres_url: str) -> PostgresSchema:
    return PostgresSchema(address(postgres_url))


@pytest.fixture
def a_new_migration(monkeypatch: pytest.MonkeyPatch) -> str:
    """A program that knows one migration more than its database."""
    name = f"{len(schema.scripts()) + 1:04}_remarks"
    known = [*schema.scripts(), schema.Script(int(name[:4]), name, THIRD)]
    monkeypatch.setattr(schema, "scripts", lambda: known)
    return name


class OldProcess:
    """Appends without end, and keeps the positions that it was told."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self.positions: list[int] = []
        self._stored = asyncio.Event()

    async def work(self) -> None:
        while True:
            outcomes = await outcome(self._store, happened("old"))
            self.positions.append(stored(outcomes).position)
            self._stored.set()

    async def goes_on(self, events: int = 5) -> None:
        """Wait until so many more are stored."""
        for _ in range(events):
            self._stored.clear()
            await self._stored.wait()


@pytest.fixture
async def old(postgres_url: str) -> AsyncIterator[OldProcess]:
    """A process that was started before the upgrade, at work."""
    async with PostgresStore(postgres_url) as store:
        process = OldProcess(store)
        task = asyncio.create_task(process.work())
        await process.goes_on()
        yield process
        assert not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_empty_database_needs_all(tables: PostgresSchema) -> None:
    before = await tables.status()
    assert (before.version, before.pending) == (0, before.migrations)
    assert await tables.upgrade() == before.migrations
    assert (await tables.status()).pending == ()
    assert await tables.upgrade() == ()


async def test_looking_changes_nothing(tables: PostgresSchema, postgres_url: str) -> None:
    await tables.status()
    await tables.sql()
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("select oid from pg_namespace where nspname = 'whence'")
        assert found.fetchone() is None


@pytest.mark.parametrize("name", ["whence", "other"])
async def test_sql_can_be_run_by_hand_instead(postgres_url: str, name: str) -> None:
    tables = PostgresSchema(address(f"{postgres_url}?schema={name}"))
    script = await tables.sql()
    assert await tables.sql(all=True) == script
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(script.encode())
    assert (await tables.status()).pending == ()
    assert await tables.sql() == ""
    assert await tables.sql(all=True) == script
    async with PostgresStore(f"{postgres_url}?schema={name}") as store:
        assert stored(await outcome(store, happened("stream"))).position == 1


async def test_sql_that_is_run_twice_does_it_once(
    tables: PostgresSchema, postgres_url: str
) -> None:
    script = (await tables.sql()).encode()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(script)
        with pytest.raises(psycopg.Error, match="already exists"):
            connection.execute(script)
    assert (await tables.status()).pending == ()


async def test_of_upgrades_at_once_one_does_it(tables: PostgresSchema) -> None:
    ran = await asyncio.gather(*[tables.upgrade() for _ in range(8)])
    assert sorted(ran) == [()] * 7 + [(await tables.status()).migrations]


async def test_stores_that_are_opened_at_once_make_one_schema(postgres_url: str) -> None:
    stores = [PostgresStore(postgres_url, readers=1) for _ in range(6)]
    await asyncio.gather(*[store.open() for store in stores])
    try:
        await asyncio.gather(*[outcome(store, happened("stream")) for store in stores])
        assert await stores[0].head() == 6
    finally:
        await asyncio.gather(*[store.close() for store in stores])


async def test_a_program_that_is_newer_than_the_schema_asks_for_an_upgrade(
    tables: PostgresSchema, postgres_url: str, a_new_migration: str
) -> None:
    await before(tables)
    with pytest.raises(StoreError, match="whence db upgrade"):
        await PostgresStore(postgres_url).open()
    assert (await tables.status()).pending == (a_new_migration,)
    assert "add column remark" in await tables.sql()
    assert "create table whence.events" not in await tables.sql()
    assert await tables.upgrade() == (a_new_migration,)
    async with PostgresStore(postgres_url) as store:
        assert stored(await outcome(store, happened("stream"))).position == 1


async def test_a_program_that_is_older_than_the_schema_leaves_it_alone(
    tables: PostgresSchema, postgres_url: str
) -> None:
    await tables.upgrade()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("insert into whence.migrations (number, name) values (99, 'later')")
    for asked in (tables.status, tables.upgrade, tables.sql, PostgresStore(postgres_url).open):
        with pytest.raises(NewerSchema, match="99"):
            await asked()


async def test_tables_of_a_version_that_was_never_released_say_what_to_do(
    postgres_url: str, tables: PostgresSchema
) -> None:
    await tables.upgrade()
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as connection:
        await connection.execute("alter table whence.events rename column ordinal to place")
    with pytest.raises(StoreError, match="a version that was never released made them"):
        async with PostgresStore(postgres_url) as store:
            await collect(store.read(ALL))


async def test_an_old_process_appends_during_an_upgrade(
    old: OldProcess, tables: PostgresSchema, a_new_migration: str
) -> None:
    assert await tables.upgrade() == (a_new_migration,)
    await old.goes_on()
    assert old.positions == list(range(1, len(old.positions) + 1))


async def test_a_migration_waits_for_others_without_keeping_appends_waiting(
    old: OldProcess, tables: PostgresSchema, a_new_migration: str, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url) as reader:
        reader.execute("select count(*) from whence.events")  # and its transaction stays open
        upgrade = asyncio.create_task(tables.upgrade())
        for _ in range(3):
            await it_waits_for_a_lock(postgres_url)
            await old.goes_on()
        assert not upgrade.done()
    assert await upgrade == (a_new_migration,)
    await old.goes_on()


async def test_a_migration_that_never_gets_its_turn_says_so(
    tables: PostgresSchema,
    a_new_migration: str,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await before(tables)
    monkeypatch.setattr(schema, "_PATIENCE", 0.5)
    with psycopg.connect(postgres_url) as reader:
        reader.execute("select count(*) from whence.events")
        with pytest.raises(StoreBusy, match="whence doctor"):
            await tables.upgrade()
    assert (await tables.status()).pending == (a_new_migration,)


async def before(tables: PostgresSchema) -> None:
    """The tables as they were before the new migration."""
    known = schema.scripts()[:-1]
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setattr(schema, "scripts", lambda: known)
        await tables.upgrade()


async def it_waits_for_a_lock(url: str) -> None:
    """Until the migration stands in line for a lock."""
    waiting = b"""
        select pid from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%remark%'
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        while True:
            if await (await connection.execute(waiting)).fetchone():
                return
            await asyncio.sleep(0.005)
