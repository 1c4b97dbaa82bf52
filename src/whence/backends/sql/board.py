"""What the workers on one database know of one another: who is alive, and who owns which slice.

A worker is alive as long as its row in ``whence_workers`` is there. It puts off the end of its
time again and again; whoever sees that it did not removes the row, for ever. A lease is its
owner's as long as the owner is alive, so that renewing all leases of a worker is the update of
one row. All times are seconds on the database's clock.

Who changes a row locks it, and passes over what is locked: nobody waits for a worker that hangs.
Only a fence waits, for the short transaction of somebody who takes over.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from whence.backends.sql.dialects import mark_of
from whence.leases import Epochs, Lease
from whence.subscribers import Overtaken

_METADATA = MetaData()
Table(
    "whence_workers",
    _METADATA,
    Column("id", String(200), primary_key=True),
    Column("host", String(200), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("projections", Text, nullable=False),  # a JSON list of names
    Column("until", Double, nullable=False),
)
Table(
    "whence_leases",
    _METADATA,
    Column("name", String(200), primary_key=True),
    Column("slice", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(200)),
    Column("epoch", BigInteger, nullable=False),
)

_NOW = "cast(extract(epoch from clock_timestamp()) as double precision)"
"""Not ``now()``, which stands still in a transaction."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One life of a process that shares projections with others."""

    id: str
    host: str
    pid: int

    @property
    def session(self) -> str:
        """What its database sessions are called while they write."""
        return session_of(self.id)


@dataclass(frozen=True, slots=True)
class View:
    """What tells whether anything has changed since the last look."""

    workers: Mapping[str, frozenset[str]]
    """The ids of those that are alive, each with the projections that it takes part in."""
    overdue: frozenset[str]
    """The ids of those whose time has passed, though nobody has removed them yet."""
    changes: tuple[int, int]
    """How many leases there are, and how often they have changed hands."""

    def on(self, name: str) -> list[str]:
        """The ids of those that take part in a projection."""
        return [worker for worker, names in self.workers.items() if name in names]


@dataclass(frozen=True, slots=True)
class Holder:
    """A worker, and what it owns of one projection."""

    worker: str
    host: str
    pid: int
    slices: tuple[int, ...]
    seconds: float
    """Until its leases end, if it does not renew them."""


def session_of(worker: str) -> str:
    """What the database sessions of a worker are called while they write, from its id."""
    return f"whence {worker.rpartition(':')[2]}"


class Board:
    """The two tables, and all that is done with them, inside the caller's transaction."""

    def __init__(self, dialect: Dialect) -> None:
        mark = self._mark = mark_of(dialect)
        self._enter = (
            "insert into whence_workers (id, host, pid, projections, until)"
            f" values ({mark}, {mark}, {mark}, {mark}, {_NOW} + {mark})"
        )
        self._renew = (
            f"update whence_workers set projections = {mark}, until = {_NOW} + {mark}"
            f" where id = {mark} and until > {_NOW}"
        )
        self._look = (
            f"select id, projections, until <= {_NOW},"
            " (select count(*) from whence_leases),"
            " (select coalesce(sum(epoch), 0) from whence_leases) from whence_workers"
        )
        self._overdue = (
            f"select id from whence_workers where until <= {_NOW} for update skip locked"
        )
        self._remove = f"delete from whence_workers where id = {mark}"
        self._add = (
            "insert into whence_leases (name, slice, epoch)"
            f" select {mark}, number, 0 from generate_series(0, {mark} - 1) number"
            " on conflict do nothing"
        )
        self._leases = "select name, slice, owner, epoch from whence_leases order by name, slice"
        self._free = (
            "select slice, epoch from whence_leases l"
            f" where name = {mark} and slice in ({{slices}}) and not exists"
            " (select 1 from whence_workers w where w.id = l.owner)"
            " order by slice for update skip locked"
        )
        self._held = (
            "select slice, epoch from whence_leases"
            f" where name = {mark} and slice in ({{slices}}) and owner = {mark}"
            " order by slice for update skip locked"
        )
        self._assign = (
            f"update whence_leases set owner = {mark}, epoch = epoch + 1"
            f" where name = {mark} and slice in ({{slices}})"
        )
        self._give_back_all = (
            "update whence_leases set owner = null, epoch = epoch + 1"
            f" where name = {mark} and owner = {mark}"
        )
        self._fence = (
            f"select slice, epoch, set_config('application_name', {mark}, true)"
            f" from whence_leases l where name = {mark} and slice in ({{slices}})"
            f" and owner = {mark} and exists"
            f" (select 1 from whence_workers w where w.id = l.owner and w.until > {_NOW})"
            " order by slice for share"
        )
        self._sign = f"select set_config('application_name', {mark}, true)"
        self._end_sessions = (
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where application_name = {mark} and usename = current_user"
        )
        self._holders = (
            f"select w.id, w.host, w.pid, l.slice, w.until - {_NOW} from whence_leases l"
            f" join whence_workers w on w.id = l.owner"
            f" where l.name = {mark} and w.until > {_NOW} order by l.slice"
        )

    def create(self, connection: Connection) -> None:
        """Create the tables if they are missing."""
        _METADATA.create_all(connection, checkfirst=True)

    def enter(
        self, connection: Connection, worker: Worker, names: Iterable[str], seconds: float
    ) -> None:
        """A worker is born, to take part in the projections ``names``."""
        values = (worker.id, worker.host, worker.pid, json.dumps(sorted(names)), seconds)
        connection.exec_driver_sql(self._enter, values)

    def renew(
        self, connection: Connection, worker: Worker, names: Iterable[str], seconds: float
    ) -> bool:
        """Put off the end of a worker's time. False: it has passed, and nothing is its own."""
        values = (json.dumps(sorted(names)), seconds, worker.id)
        return connection.exec_driver_sql(self._renew, values).rowcount == 1

    def remove(self, connection: Connection, workers: Iterable[str]) -> None:
        """These workers have ended: whatever they own is free."""
        for worker in workers:
            connection.exec_driver_sql(self._remove, (worker,))

    def look(self, connection: Connection) -> View:
        """Who is there, and how much has changed."""
        rows = connection.exec_driver_sql(self._look).all()
        return View(
            {row[0]: frozenset(json.loads(row[1])) for row in rows},
            frozenset(row[0] for row in rows if row[2]),
            (rows[0][3], int(rows[0][4])) if rows else (0, 0),
        )

    def bury(self, connection: Connection) -> None:
        """Remove those whose time has passed, unless they just renew it; with what they hold."""
        dead = [row[0] for row in connection.exec_driver_sql(self._overdue)]
        self.remove(connection, dead)
        self.end_sessions(connection, dead)

    def sign(self, connection: Connection, worker: Worker) -> None:
        """Say whose transaction this is, so that it ends when the worker is dead."""
        connection.exec_driver_sql(self._sign, (worker.session,))

    def add(self, connection: Connection, name: str, slices: int) -> None:
        """Make sure that a projection has so many leases; new ones are free.

        Others that do the same wait for this transaction: it should be no longer than this.
        """
        connection.exec_driver_sql(self._add, (name, slices))

    def leases(self, connection: Connection) -> dict[str, list[Lease]]:
        """All leases of all projections."""
        found: dict[str, list[Lease]] = {}
        for name, number, owner, epoch in connection.exec_driver_sql(self._leases):
            found.setdefault(name, []).append(Lease(number, owner, epoch))
        return found

    def take(
        self, connection: Connection, worker: Worker, name: str, seen: Epochs
    ) -> dict[int, int]:
        """Make slices the worker's own, if they are as it has ``seen`` them and free. What it got.

        An epoch never comes again: what was taken since is left alone, even if its owner has
        come too late for this statement to see that it is alive.
        """
        free = self._lock(connection, self._free, (name, *seen), len(seen))
        taken = [number for number, epoch in free.items() if epoch == seen[number]]
        self._assign_to(connection, worker.id, name, taken)
        return {number: seen[number] + 1 for number in taken}

    def give_back(
        self, connection: Connection, worker: Worker, name: str, slices: Collection[int]
    ) -> set[int]:
        """Free those of ``slices`` that the worker does not just write to. Their numbers."""
        values = (name, *slices, worker.id)
        held = self._lock(connection, self._held, values, len(slices))
        self._assign_to(connection, None, name, held)
        return set(held)

    def give_back_all(self, connection: Connection, worker: Worker, name: str) -> None:
        """Free all that the worker owns of a projection, once nobody writes to it."""
        connection.exec_driver_sql(self._give_back_all, (name, worker.id))

    def fence(self, connection: Connection, worker: Worker, name: str, epochs: Epochs) -> None:
        """See `Ownership.fence`: from here to the end of the transaction nobody can take over."""
        values = (worker.session, name, *epochs, worker.id)
        sql = self._spread(self._fence, len(epochs))
        found = {row[0]: row[1] for row in connection.exec_driver_sql(sql, values)}
        if found != epochs:
            raise Overtaken(name)

    def end_sessions(self, connection: Connection, dead: Iterable[str]) -> None:
        """End transactions that dead workers have left open, with the locks that they hold."""
        for worker in dead:
            connection.exec_driver_sql(self._end_sessions, (session_of(worker),))

    def holders(self, connection: Connection, name: str) -> list[Holder]:
        """Who owns what of a projection, in the order of their slices."""
        found: dict[str, Holder] = {}
        for worker, host, pid, number, left in connection.exec_driver_sql(self._holders, (name,)):
            before = found[worker].slices if worker in found else ()
            found[worker] = Holder(worker, host, pid, (*before, number), left)
        return list(found.values())

    def _lock(
        self, connection: Connection, statement: str, values: tuple[object, ...], slices: int
    ) -> dict[int, int]:
        """Lock slices that nobody else has locked; each with its epoch."""
        sql = self._spread(statement, slices)
        return {row[0]: row[1] for row in connection.exec_driver_sql(sql, values)}

    def _assign_to(
        self, connection: Connection, owner: str | None, name: str, slices: Collection[int]
    ) -> None:
        if slices:
            sql = self._spread(self._assign, len(slices))
            connection.exec_driver_sql(sql, (owner, name, *slices))

    def _spread(self, statement: str, slices: int) -> str:
        return statement.format(slices=", ".join([self._mark] * slices))
