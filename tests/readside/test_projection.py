"""`Projection`: handlers that write to a database in the checkpoint's transaction."""
# pyright: reportUnusedClass=false, reportUnusedFunction=false

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)

from whence import App, Projection, ReadModel, WhenceError, command, event, evolve, project
from whence.aggregate import Aggregate
from whence.envelope import Recorded
from whence.errors import Behind, WiringError
from whence.handlers import decide
from whence.messages import describe

from ..applications import caught_up, subscription

METADATA = MetaData()
owners = Table(
    "owners",
    METADATA,
    Column("owner", String(50), primary_key=True),
    Column("accounts", Integer, nullable=False),
)
entries = Table(
    "entries",
    METADATA,
    Column("position", Integer, primary_key=True),
    Column("owner", String(50), ForeignKey(owners.c.owner)),
    Column("amount", Integer, nullable=False),
)


@event
class Opened:
    account_id: str
    owner: str


@event
class Deposited:
    account_id: str
    owner: str
    amount: int


@event
class Closed:
    account_id: str


@command
class Open:
    account_id: str
    owner: str


@command
class Deposit:
    account_id: str
    owner: str
    amount: int


@command
class Close:
    account_id: str


class Account(Aggregate):
    @decide
    def open(self, command: Open) -> Any:
        yield Opened(self.id, command.owner)

    @decide
    def deposit(self, command: Deposit) -> Any:
        yield Deposited(self.id, command.owner, command.amount)

    @decide
    def close(self, command: Close) -> Any:
        yield Closed(self.id)

    @evolve
    def _(self, event: Opened | Deposited | Closed) -> None: ...


class Ledger(Projection):
    metadata = METADATA

    @project
    def _(self, event: Opened, connection: Connection) -> None:
        known = connection.scalar(select(owners.c.accounts).where(owners.c.owner == event.owner))
        if known is None:
            connection.execute(insert(owners).values(owner=event.owner, accounts=1))
        else:
            changed = update(owners).where(owners.c.owner == event.owner)
            connection.execute(changed.values(accounts=known + 1))

    @project
    def _(self, event: Deposited, connection: Connection, recorded: Recorded) -> None:
        values = {"position": recorded.position, "owner": event.owner, "amount": event.amount}
        connection.execute(insert(entries).values(values))
        if event.amount == 13:
            raise ValueError("bad luck")


def bank(url: str, *parts: Any, store: Any = "memory://") -> App:
    return App("bank", Account, *(parts or (Ledger,)), store=store, read=url)


async def rows(app: App, table: Table, database: int = 0) -> list[tuple[Any, ...]]:
    found = list(app.running.reads.databases.values())[database]
    statement = select(table).order_by(*table.primary_key)
    return await found.read(lambda c: [tuple(row) for row in c.execute(statement)])


async def test_handlers_write_to_their_tables_and_ask_them(read_url: str) -> None:
    async with bank(read_url) as app:
        await app.send(Open("A1", "ann"))
        await app.send(Open("A2", "ann"))
        await app.send(Deposit("A1", "ann", 5))
        await app.send(Close("A2"))
        await caught_up(app)
        assert await rows(app, owners) == [("ann", 2)]
        assert await rows(app, entries) == [(3, "ann", 5)]


async def test_what_a_failed_handler_wrote_before_is_not_kept(read_url: str) -> None:
    async with bank(read_url).using(projecting=False) as app:
        await app.send(Open("A1", "ann"))
        await app.send(Deposit("A1", "ann", 5))
        await app.send(Deposit("A1", "ann", 13))
        ledger = subscription(app)
        await ledger.start()
        with pytest.raises(Behind) as caught:
            await ledger.reached(3, 0.3)
        assert "ledger cannot handle the 'Deposited' at position 3" in str(caught.value.__cause__)
        assert "ValueError: bad luck" in str(caught.value.__cause__)
        assert await rows(app, entries) == [(2, "ann", 5)]


async def test_it_goes_on_where_it_was(read_url: str, store: str) -> None:
    for n in range(1, 4):
        async with bank(read_url, store=store) as app:
            await app.send(Deposit("A1", "ann", n)) if n > 1 else await app.send(Open("A1", "ann"))
            await caught_up(app)
    async with bank(read_url, store=store) as app:
        assert await rows(app, entries) == [(2, "ann", 2), (3, "ann", 3)]


async def test_a_rebuild_empties_the_tables_and_fills_them_anew(read_url: str) -> None:
    async with bank(read_url) as app:
        await app.send(Open("A1", "ann"))
        await app.send(Deposit("A1", "ann", 5))
        await caught_up(app)
        database = app.running.reads.database
        await database.write(lambda c: c.execute(insert(owners).values(owner="x", accounts=7)))
        await subscription(app).rebuild()
        assert await rows(app, owners) == [("ann", 1)]
        assert await rows(app, entries) == [(2, "ann", 5)]
        await app.send(Deposit("A1", "ann", 6))
        await caught_up(app)
        assert len(await rows(app, entries)) == 2


async def test_other_handlers_fill_the_tables_anew(read_url: str, store: str) -> None:
    async with bank(read_url, store=store) as app:
        await app.send(Open("A1", "ann"))
        await app.send(Deposit("A1", "ann", 5))
        await caught_up(app)

    class Counted(Projection, name="ledger"):
        tables = [owners, entries]

        @project
        def _(self, event: Opened, connection: Connection) -> None:
            connection.execute(insert(owners).values(owner=event.owner, accounts=100))

    async with bank(read_url, Counted, store=store) as app:
        await caught_up(app)
        assert await rows(app, owners) == [("ann", 100)]
        assert await rows(app, entries) == []


async def test_other_columns_make_the_tables_anew(read_url: str, store: str) -> None:
    async with bank(read_url, store=store) as app:
        await app.send(Open("A1", "ann"))
        await caught_up(app)
    wider = Table(
        "owners",
        MetaData(),
        Column("owner", String(50), primary_key=True),
        Column("accounts", Integer, nullable=False),
        Column("seen", Integer, index=True),
    )

    class Wider(Projection, name="ledger"):
        tables = [wider, entries]

        @project
        def _(self, event: Opened, connection: Connection) -> None:
            connection.execute(insert(wider).values(owner=event.owner, accounts=1, seen=3))

    async with bank(read_url, Wider, store=store) as app:
        await caught_up(app)
        assert await rows(app, wider) == [("ann", 1, 3)]


async def test_a_projection_may_write_to_a_database_of_its_own(
    read_url: str, tmp_path: Path
) -> None:
    class Elsewhere(Projection, database=read_url):
        metadata = METADATA

        @project
        def _(self, event: Opened, connection: Connection) -> None:
            connection.execute(insert(owners).values(owner=event.owner, accounts=1))

    class Owners(ReadModel):
        account_id: str
        owner: str = ""

        @evolve
        def _(self, event: Opened) -> None:
            self.owner = event.owner

    beside = f"sqlite:///{tmp_path}/beside.db"
    async with bank(beside, Elsewhere, Owners) as app:
        receipt = await app.send(Open("A1", "ann"))
        await caught_up(app, "elsewhere")
        assert await rows(app, owners, database=1) == [("ann", 1)]
        row = await app.read(Owners).get("A1", after=receipt)
        assert row is not None
        assert row.owner == "ann"
        assert next(iter(app.running.reads.databases.values())).url == beside


async def test_on_another_store_it_leaves_its_own_database_alone(tmp_path: Path) -> None:
    own = f"sqlite:///{tmp_path}/own.db"

    class Elsewhere(Projection, database=own):
        metadata = METADATA

        @project
        def _(self, event: Opened, connection: Connection) -> None:
            connection.execute(insert(owners).values(owner=event.owner, accounts=1))

    app = bank("sqlite://", Elsewhere)
    async with app.using(store="memory://") as tested:
        await tested.send(Open("A1", "ann"))
        await caught_up(tested, "elsewhere")
        assert await rows(tested, owners) == [("ann", 1)]
    assert not (tmp_path / "own.db").exists()
    other = f"sqlite:///{tmp_path}/other.db"
    async with app.using(store="memory://", databases={own: other}) as tested:
        assert [one.url for one in tested.running.reads.databases.values()] == ["sqlite://", other]
    assert not (tmp_path / "own.db").exists()
    async with app.using(projecting=False) as same:
        assert [one.url for one in same.running.reads.databases.values()] == ["sqlite://", own]


async def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    class Nowhere(Projection, database=f"sqlite:///{tmp_path}/no/folder.db"):
        metadata = METADATA

        @project
        def _(self, event: Opened, connection: Connection) -> None: ...

    with pytest.raises(WhenceError, match=r"no/folder\.db failed: it cannot be opened"):
        async with bank("sqlite://", Nowhere):
            pass


# What is wrong is said at start.


def refused(*parts: Any) -> str:
    with pytest.raises(WiringError) as caught:
        bank("sqlite://", *parts)
    return str(caught.value)


def test_without_a_handler_or_a_table_it_is_no_projection() -> None:
    class Idle(Projection):
        metadata = METADATA

    class Homeless(Projection):
        @project
        def _(self, event: Opened, connection: Connection) -> None: ...

    assert "handles no event: give it a method `@project def _(self" in refused(Idle)
    assert "handles no event" in refused(Projection)
    message = refused(Homeless)
    assert f"Homeless ({__file__}:" in message
    assert message.endswith("say `tables = [...]` or `metadata = ...` in the class")


def test_a_handler_takes_the_event_and_a_connection() -> None:
    with pytest.raises(WiringError, match="takes the event, a connection and, if it likes, the"):

        class Wrong(Projection):
            @project
            def _(self, event: Opened) -> None: ...


def test_a_fold_has_no_place_in_it() -> None:
    class Folding(Projection):
        metadata = METADATA

        @project
        def _(self, event: Opened, connection: Connection) -> None: ...

        @evolve
        def _(self, event: Deposited) -> None: ...

    assert "does nothing in Folding, which has only @project" in refused(Folding)


def test_two_that_share_a_table_are_refused_with_both_places() -> None:
    class Other(Projection):
        tables = [entries]

        @project
        def _(self, event: Opened, connection: Connection) -> None: ...

    message = refused(Ledger, Other)
    assert message.startswith(f"Ledger ({__file__}:")
    assert f".Other ({__file__}:" in message
    assert "both keep what they know in the table 'entries'" in message

    class Elsewhere(Projection, database="sqlite:///elsewhere.db"):
        tables = [entries]

        @project
        def _(self, event: Opened, connection: Connection) -> None: ...

    bank("sqlite://", Ledger, Elsewhere)


def test_a_table_may_not_be_that_of_a_read_model() -> None:
    class Entries(ReadModel):
        account_id: str

        @evolve
        def _(self, event: Opened) -> None: ...

    assert "both keep what they know in the table 'entries'" in refused(Entries, Ledger)


def test_two_of_one_name_are_refused() -> None:
    class Entry(ReadModel, name="ledger"):
        account_id: str

        @evolve
        def _(self, event: Opened) -> None: ...

    message = refused(Entry, Ledger)
    assert "are both called 'ledger'. Give one another name: class ...(Projection" in message


def test_no_slices_are_none() -> None:
    with pytest.raises(WiringError, match="0 slices are none: one or more"):

        class Wrong(Projection, slices=0):
            @project
            def _(self, event: Opened, connection: Connection) -> None: ...


def test_its_events_are_known_though_no_aggregate_names_them() -> None:
    @event
    class Elsewhere:
        name: str

    class Only(Projection):
        metadata = METADATA

        @project
        def _(self, event: Elsewhere, connection: Connection) -> None: ...

    assert bank("sqlite://", Only).wiring.events.named(describe(Elsewhere).name) is not None
