"""`whence db roles`: the application appends and projects, and can do no harm to the log."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from bank import Balance, DepositMoney, OpenAccount, app
from whence.backends.postgres import PostgresStore, roles
from whence.backends.postgres.address import address
from whence.backends.postgres.health import examine
from whence.backends.postgres.upgrading import PostgresSchema
from whence.errors import ReadOnlyStore, WiringError
from whence.store import ALL
from whence.testing.conformance.words import collect, happened, outcome

HARM = [
    "update whence.events set data = ''",
    "delete from whence.events",
    "truncate whence.events",
    "delete from whence.tags",
    "insert into whence.migrations (number, name) values (9, 'nine')",
    "select setval('whence.positions', 1)",
    "alter table whence.events add column mine text",
    "alter table whence.events disable trigger all",
    "drop table whence.events",
    "drop schema whence cascade",
    "create table whence.mine (id int)",
    "create or replace function whence.watermark() returns bigint language sql return 0",
    "drop function whence.watermark()",
    "create schema mine",
    "create role mine",
]


class Roles:
    """A database with a writer and a reader, who are nobody outside this test."""

    def __init__(self, url: str) -> None:
        self.admin = url
        name = urlsplit(url).path.lstrip("/")
        self.names = (f"{name}_w", f"{name}_r")
        self.writer, self.reader = (_as(url, role) for role in self.names)

    def grant(self, url: str | None = None) -> None:
        """Run what `whence db roles` prints."""
        script = PostgresSchema(address(url or self.admin)).roles(*self.names)
        self.do(script)

    def do(self, statement: str, url: str | None = None) -> None:
        with psycopg.connect(url or self.admin, autocommit=True) as connection:
            connection.execute(statement.encode())


def _as(url: str, role: str) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{role}@{place}"))


@pytest.fixture
async def granted(postgres_url: str) -> AsyncIterator[Roles]:
    await PostgresSchema(address(postgres_url)).upgrade()
    made = Roles(postgres_url)
    made.grant()
    for role in made.names:
        made.do(f"alter role {role} password '{role}'")
    yield made
    for role in made.names:
        made.do(f"drop owned by {role}; drop role {role}")


async def test_the_application_works_as_the_writer(granted: Roles) -> None:
    async with app.using(store=granted.writer) as bank:
        await bank.send(OpenAccount("ACC1", "ann"))
        receipt = await bank.send(DepositMoney("ACC1", 5))
        row = await bank.read(Balance).after(receipt).get("ACC1")
        assert row is not None
        assert row.balance == 5


async def test_the_doctor_needs_no_more(granted: Roles) -> None:
    async with app.using(store=granted.writer) as bank:
        await bank.send(OpenAccount("ACC1", "ann"))
    for url in (granted.writer, granted.reader):
        found = await examine(address(url))
        assert [finding for finding in found if finding.level == "problem"] == []


async def test_a_command_that_the_writer_may_not_run_harms_nothing(granted: Roles) -> None:
    async with PostgresStore(granted.writer) as store:
        await outcome(store, happened("stream"))
        for harm in HARM:
            with pytest.raises(InsufficientPrivilege):
                granted.do(harm, granted.writer)
        assert len(await collect(store.read(ALL))) == 1


async def test_the_reader_reads_events_and_rows(granted: Roles) -> None:
    async with app.using(store=granted.writer) as bank:
        receipt = await bank.send(OpenAccount("ACC1", "ann"))
        await bank.read(Balance).after(receipt).get("ACC1")
    async with PostgresStore(granted.reader) as store:
        assert len(await collect(store.read(ALL))) == 1
    with psycopg.connect(granted.reader) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'")
        for (name,) in tables.fetchall():
            connection.execute(f'select * from public."{name}"'.encode())


async def test_the_reader_changes_nothing(granted: Roles) -> None:
    async with app.using(store=granted.writer) as bank:
        receipt = await bank.send(OpenAccount("ACC1", "ann"))
        await bank.read(Balance).after(receipt).get("ACC1")
    theirs = ["delete from public.balance", "create table public.mine (id int)"]
    appends = "insert into whence.tags values ('a', 1)"
    for harm in [*HARM, *theirs, appends, "delete from whence.snapshots"]:
        with pytest.raises(InsufficientPrivilege):
            granted.do(harm, granted.reader)
    async with PostgresStore(granted.reader) as store:
        with pytest.raises(ReadOnlyStore, match="whence db roles"):
            await outcome(store, happened("stream"))


async def test_rows_from_before_the_roles_are_read_as_well(granted: Roles) -> None:
    granted.do("create table public.early (id int)", granted.writer)
    granted.do("create table public.foreign_one (id int)")
    granted.do(f"revoke all on public.early from {granted.names[1]}")
    granted.grant()
    granted.do("select * from public.early", granted.reader)
    with pytest.raises(InsufficientPrivilege):
        granted.do("select * from public.foreign_one", granted.reader)


async def test_the_script_takes_back_what_was_too_much(granted: Roles) -> None:
    granted.do(f"grant all on all tables in schema whence to {', '.join(granted.names)}, public")
    granted.grant()
    for url in (granted.writer, granted.reader):
        with pytest.raises(InsufficientPrivilege):
            granted.do("delete from whence.events", url)


async def test_a_schema_of_another_name_has_roles_as_well(granted: Roles) -> None:
    await PostgresSchema(address(f"{granted.admin}?schema=bank")).upgrade()
    granted.grant(f"{granted.admin}?schema=bank")
    async with PostgresStore(f"{granted.writer}?schema=bank") as store:
        await outcome(store, happened("stream"))
        assert await store.head() == 1


async def test_the_writer_cannot_make_the_schema(postgres_url: str, granted: Roles) -> None:
    with pytest.raises(ReadOnlyStore, match="permission denied"):
        await PostgresStore(f"{granted.writer}?schema=bank").open()


async def test_every_table_has_been_thought_of(granted: Roles) -> None:
    with psycopg.connect(granted.admin) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'whence'")
        found = {name for (name,) in tables.fetchall()}
    assert found == {*roles.APPENDED, *roles.CHANGED, *roles.LOOKED_AT}


@pytest.mark.parametrize("name", ["", "Ann", "a-b", 'a"; drop', "1st", "x" * 64])
def test_a_bad_name_is_refused(name: str) -> None:
    tables = PostgresSchema(address("postgresql:///bank"))
    with pytest.raises(WiringError, match="cannot be a role"):
        tables.roles(name, "reader")
    with pytest.raises(WiringError, match="cannot be a role"):
        tables.roles("writer", name)
