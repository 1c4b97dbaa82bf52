"""The tables that one read model has: the live one, the next one, and the one before.

What is kept about each of them goes under its name too. All is done in the caller's transaction,
in which nobody else changes tables.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, inspect

from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.dialects import is_mysql, rename_tables, wait_briefly
from whence.backends.sql.following import next_of, previous_of
from whence.backends.sql.registry import Record
from whence.backends.sql.tables import table_of
from whence.readmodels import ReadModelSpec
from whence.subscribers import Finished


class Generations:
    """Makes, exchanges and drops the tables of one read model."""

    def __init__(self, spec: ReadModelSpec[Any], database: ReadDatabase) -> None:
        self.live = spec.name
        self.next = next_of(spec.name)
        self.previous = previous_of(spec.name)
        self._spec, self._database = spec, database

    def start(self, connection: Connection) -> Record | None:
        """Make sure that there is a table. The next one is returned if it must be built first."""
        registry, shape = self._database.registry, self._spec.shape
        self._heal(connection)
        live, next = registry.load(connection, self.live), registry.load(connection, self.next)
        if live is None or not self._is_there(connection, self.live):
            for name in (self.next, self.previous):
                self.drop(connection, name)
            self._create(connection, self.live, live)
            return None
        if live.shape != shape:
            previous = registry.load(connection, self.previous)
            if previous is not None and previous.shape == shape:
                self.roll_back(connection)  # the code went back, and so does what it had made
                return None
        elif self._database.checkpoints.load(connection, self.live):  # else nobody knows its rows
            return None
        if next is None or next.shape != shape:
            next = self._create(connection, self.next, live)
        return next

    def missing(self, connection: Connection) -> list[str]:
        """The tables that should be there and are not."""
        checkpoints = self._database.checkpoints
        wanted = [name for name in (self.live, self.next) if checkpoints.load(connection, name)]
        return [name for name in wanted if not self._is_there(connection, name)]

    def begin(self, connection: Connection) -> Record:
        """Make the next table, empty; and the live one, if it was dropped or never made."""
        live = self._database.registry.load(connection, self.live)
        if live is None or not self._is_there(connection, self.live):
            live = self._create(connection, self.live, live)
        return self._create(connection, self.next, live)

    def switch(self, connection: Connection) -> bool:
        """Put the next table in the place of the live one. False: it has not caught up.

        Queries see the old rows until they see the new ones.
        """
        checkpoints = self._database.checkpoints
        if self._database.registry.load(connection, self.next) is None:
            raise Finished(self.next)
        wait_briefly(connection)
        old = checkpoints.hold(connection, self.live)
        new = checkpoints.hold(connection, self.next)
        ahead = max((mark.position for mark in old.values()), default=0)
        if min((mark.position for mark in new.values()), default=0) < ahead:
            return False
        self.drop(connection, self.previous)
        self._rename(connection, (self.live, self.previous), (self.next, self.live))
        return True

    def roll_back(self, connection: Connection) -> bool:
        """Let the live table and the one before change places. False: there is none before."""
        if self._database.registry.load(connection, self.previous) is None:
            return False
        wait_briefly(connection)
        aside = f"{self.live}__aside"
        self._rename(
            connection,
            (self.live, aside),
            (self.previous, self.live),
            (aside, self.previous),
        )
        return True

    def drop(self, connection: Connection, name: str) -> bool:
        """Remove a table, and what is kept about it. False: there is none."""
        found = self._database.registry.load(connection, name) is not None
        self._database.registry.drop(connection, name)
        self._database.checkpoints.drop(connection, name)
        self._database.dead.drop(connection, name)
        self._drop_table(connection, name)
        return found

    def _is_there(self, connection: Connection, name: str) -> bool:
        return inspect(connection).has_table(name)

    def _make_table(self, connection: Connection, name: str, generation: int) -> None:
        # Indexes keep their names when a table is renamed: each generation has its own.
        table_of(self._spec, name, f"{self.live}_{generation}").create(connection)

    def _drop_table(self, connection: Connection, name: str) -> None:
        table_of(self._spec, name, name).drop(connection, checkfirst=True)

    def _rename_tables(self, connection: Connection, changes: Sequence[tuple[str, str]]) -> None:
        rename_tables(connection, changes)

    def _create(self, connection: Connection, name: str, live: Record | None) -> Record:
        """Make a table anew, empty, with a checkpoint at the beginning of the log."""
        previous = self._database.registry.load(connection, self.previous)
        known = [one.generation for one in (live, previous) if one is not None]
        generation = max(known, default=0) + 1
        slices = self._database.slices if live is None else live.slices
        if self._spec.kind == "inline":
            slices = 1  # whoever appends leads all of it
        record = Record(name, self._spec.shape, generation, slices)
        if live is not None and name == self.live:
            record = replace(record, wanted=live.wanted)
        self.drop(connection, name)
        self._make_table(connection, name, generation)
        self._database.registry.put(connection, record)
        self._database.checkpoints.create(connection, name, record.slices, generation)
        return record

    def _rename(self, connection: Connection, *changes: tuple[str, str]) -> None:
        """Give tables, and what is kept about them, other names. What people want stays."""
        database = self._database
        if is_mysql(connection.dialect):
            # The renaming ends the transaction. Without checkpoints nobody writes meanwhile.
            database.checkpoints.rename(connection, self.live, self._held, 0)
        self._rename_tables(connection, changes)
        if is_mysql(connection.dialect):
            database.checkpoints.rename(connection, self._held, self.live, 0)
        self._rename_records(connection, *changes)

    def _rename_records(self, connection: Connection, *changes: tuple[str, str]) -> None:
        database = self._database
        live = database.registry.load(connection, self.live)
        marks = [database.checkpoints.hold(connection, old) for old, _ in changes]
        revision = 1 + max(mark.revision for found in marks for mark in found.values())
        for old, new in changes:
            database.registry.rename(connection, old, new)
            database.checkpoints.rename(connection, old, new, revision)
            database.dead.rename(connection, old, new)
        if live is not None:
            database.registry.want(connection, self.live, live.wanted)

    def _heal(self, connection: Connection) -> None:
        """Bring to its end what was broken off where renaming tables ends a transaction."""
        registry, checkpoints = self._database.registry, self._database.checkpoints
        if not is_mysql(connection.dialect) or not checkpoints.load(connection, self._held):
            return
        checkpoints.rename(connection, self._held, self.live, 0)
        live, next = registry.load(connection, self.live), registry.load(connection, self.next)
        if next is not None and not self._is_there(connection, self.next):
            registry.drop(connection, self.previous)
            changes = (self.live, self.previous), (self.next, self.live)
            self._rename_records(connection, *changes)
        elif next is None and live is not None:
            # Two tables were to change places: nobody knows whether they did. Make them anew.
            registry.put(connection, replace(live, shape=f"{self._spec.layout}:unknown"))
            self.drop(connection, self.previous)

    @property
    def _held(self) -> str:
        """Where checkpoints are kept while tables are renamed."""
        return f"{self.live}__held"
