"""Inline read models: their rows change in the transaction that stores the events.

An inline read model has a checkpoint like any other, in the same database as the log. Whoever
appends looks at it: if it is at the end of the log, or near it, rows and checkpoint go along with
the append. If it is not, or was made by other code, or people want it to stand still, nothing is
done for it: then it is led along the log as all others are, until it is there again.

What has to be asked is said by generators, so that each store can ask it in its own way.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from whence.backends.sql.bulk import Statement
from whence.backends.sql.columns import DECIMAL, compare_decimals
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.dialects import is_sqlite, mark_of, marks_of
from whence.backends.sql.folding import keys_of
from whence.backends.sql.tables import RowTable, table_of
from whence.envelope import Recorded
from whence.errors import NotFolded
from whence.folds import Fold, Rows, Step, Stuck
from whence.messages import describe
from whence.readmodels import ReadModel
from whence.store import PAGE_EVENTS, Commit

R = TypeVar("R", bound=ReadModel)
Result = TypeVar("Result")

Found = Sequence[Sequence[Any]]
Work = Generator[Statement, Found, Result]
"""Says what to ask, one statement after the other, and is sent the rows of each."""
Ask = Callable[[str, Sequence[Any]], Found]


def run(work: Work[Result], ask: Ask) -> Result:
    """Do ``work``, one statement after the other."""
    try:
        statement = next(work)
        while True:
            try:
                found = ask(*statement)
            except Exception as error:
                statement = work.throw(error)
            else:
                statement = work.send(found)
    except StopIteration as done:
        result: Result = done.value
        return result


class AskedRows(RowTable[R]):
    """Loads and stores rows in whatever way a store asks."""

    def loaded(self, keys: Iterable[Any]) -> Work[Rows[R]]:
        """The rows that there are of ``keys``."""
        to, rows = self._key_to_db, Rows[R]()
        values = list(keys) if to is None else [to(key) for key in keys]
        for statement in self._statements.loading(values):
            for found in (yield statement):
                row = self.row(tuple(found))
                rows[self._get_key(row)] = row
        return rows

    def stored(
        self, rows: Rows[R], changed: Mapping[Any, int], existed: Iterable[Any]
    ) -> Work[None]:
        """Write the ``changed`` rows; ``existed`` are the keys that have one."""
        to, written = self._key_to_db, list[tuple[Any, ...]]()
        for key, position in changed.items():
            row = rows[key]
            if row is not None:
                value = key if to is None else to(key)
                written.append((*self._values(row), position, value))
        gone = [key for key in existed if key in changed and rows[key] is None]
        for statement in self._statements.deleting(gone if to is None else [to(k) for k in gone]):
            yield statement
        for statement in self._statements.storing(written):
            yield statement


class InlineModel(Generic[R]):
    """One inline read model, or the table that will replace its own."""

    def __init__(self, fold: Fold[R], database: ReadDatabase, name: str) -> None:
        self.fold, self.name, self.shape = fold, name, fold.spec.shape
        self._database = database

    @cached_property
    def _rows(self) -> AskedRows[R]:
        spec = self.fold.spec
        table = table_of(spec, self.name, self.name)
        return AskedRows(spec, table, self._database.engine.dialect)

    @cached_property
    def _misfits(self) -> tuple[type[BaseException], ...]:
        """What a row brings about that its table cannot keep."""
        dialect = self._database.engine.dialect
        driver = dialect.loaded_dbapi
        found = driver.DataError, driver.IntegrityError, TypeError, ValueError, OverflowError
        binding = (driver.ProgrammingError, driver.InterfaceError) if is_sqlite(dialect) else ()
        return *found, *binding

    def keep(self, missed: Sequence[Recorded], events: Sequence[Recorded]) -> Work[bool]:
        """Fold what it has ``missed`` and then ``events``. False: it cannot fold the former.

        Raises `NotFolded` if it cannot fold the latter.
        """
        try:
            earlier = self._read(missed)
        except Stuck:
            return False  # whoever follows the log knows what to do with it
        try:
            own = self._read(events)
            steps = [*earlier, *own]
            if not steps:
                return True
            rows = yield from self._rows.loaded(keys_of(steps))
            existed, changed = list(rows), dict[Any, int]()
            try:
                changed |= self.fold.apply(earlier, rows)
            except Stuck:
                return False
            changed |= self.fold.apply(own, rows)
            yield from self._rows.stored(rows, changed, existed)
        except Stuck as stuck:
            raise NotFolded(self.fold.spec.name, stuck.error) from stuck.error
        except self._misfits as error:
            raise NotFolded(self.fold.spec.name, error) from error
        return True

    def _read(self, events: Sequence[Recorded]) -> list[Step]:
        return self.fold.read(self.fold.concerning(events))


class InlineModels:
    """All inline read models of an application, and the log that they are kept beside.

    ``log`` is the name of the table of events.
    """

    def __init__(self, folds: Iterable[Fold[Any]], database: ReadDatabase, log: str) -> None:
        models = [InlineModel(fold, database, fold.spec.name) for fold in folds]
        self._models = {model.name: model for model in models}
        specs = [model.fold.spec for model in models]
        self._words = {w for spec in specs for cls in spec.evolvers for w in describe(cls).words}
        self._follows = frozenset[str]().union(*(spec.follows for spec in specs))
        self._database = database
        self.log = log

    def concerns(self, commits: Iterable[Commit]) -> bool:
        """Whether any of them changes a row."""
        return any(
            event.type in self._words or event.stream.partition("-")[0] in self._follows
            for commit in commits
            for event in commit.events
        )

    def keep(self, events: Sequence[Recorded]) -> Work[None]:
        """Fold ``events``, which are stored in this transaction, and what is before them.

        Nobody else stores any before the transaction ends. Raises `NotFolded`.
        """
        first, last = events[0].position, events[-1].position
        seen: dict[int, Sequence[Recorded] | None] = {}
        for name, since in (yield from self._ready()).items():
            if since >= first:
                continue  # it has seen another log: who follows it will say so
            if since not in seen:
                seen[since] = yield from missed(self._database, self.log, since, first - 1)
            before = seen[since]
            if before is not None and (yield from self._models[name].keep(before, events)):
                yield move(self._database, name, last)

    def _ready(self) -> Work[Mapping[str, int]]:
        """How far those have come that nobody else has to look after now."""
        dialect, names = self._database.engine.dialect, tuple(self._models)
        mark, marks = mark_of(dialect), marks_of(dialect, len(names))
        # Held first: whoever changes what is asked next holds them, too.
        locked = "" if is_sqlite(dialect) else " for update"
        found = yield (
            "select name, position from whence_checkpoints"
            f" where name in ({marks}) order by name, slice{locked}",
            names,
        )
        positions: dict[str, set[int]] = {}
        for name, position in found:
            positions.setdefault(name, set()).add(position)
        found = yield (
            "select name, shape from whence_projections p"
            f" where name in ({marks}) and wanted = {mark}"
            " and not exists (select 1 from whence_dead d where d.name = p.name)"
            " and not exists (select 1 from whence_skipped s, whence_checkpoints c"
            " where s.name = p.name and c.name = p.name and s.position > c.position)",
            (*names, "running"),
        )
        shapes = {row[0]: row[1] for row in found}
        return {
            name: min(positions[name])
            for name, model in self._models.items()
            if shapes.get(name) == model.shape and len(positions.get(name, ())) == 1
        }


def missed(
    database: ReadDatabase, log: str, since: int, until: int
) -> Work[Sequence[Recorded] | None]:
    """The events after ``since`` up to ``until``; None: they are too many."""
    if since >= until:
        return ()
    mark = mark_of(database.engine.dialect)
    found = yield (
        f"select position, stream, version, type, data from {log}"
        f" where position > {mark} and position <= {mark} order by position limit {mark}",
        (since, until, PAGE_EVENTS + 1),
    )
    if len(found) > PAGE_EVENTS:
        return None
    return [Recorded(row[0], row[1], row[2], row[3], bytes(row[4])) for row in found]


def move(database: ReadDatabase, name: str, position: int) -> Statement:
    """Moves the checkpoint of ``name``, which is held."""
    mark = mark_of(database.engine.dialect)
    statement = f"update whence_checkpoints set position = {mark} where name = {mark}"
    return statement, (position, name)


class OnSqlite:
    """Keeps inline read models in the file of an `SqliteStore`, on its own connection."""

    def __init__(self, models: InlineModels) -> None:
        self._models = models

    def __call__(self, connection: sqlite3.Connection, events: Sequence[Recorded]) -> None:
        """Fold ``events`` in the transaction that stores them. Raises `NotFolded`."""
        connection.create_collation(DECIMAL, compare_decimals)

        def ask(statement: str, values: Sequence[Any]) -> Found:
            return connection.execute(statement, values).fetchall()

        run(self._models.keep(events), ask)


class OnPostgres:
    """Keeps inline read models in the database of a `PostgresStore`, on its own connection."""

    def __init__(self, models: InlineModels) -> None:
        self._models = models

    def concerns(self, commits: Iterable[Commit]) -> bool:
        """See `InlineModels.concerns`."""
        return self._models.concerns(commits)

    async def keep(self, connection: Any, events: Sequence[Recorded]) -> None:
        """Fold ``events`` in the transaction that stores them. Raises `NotFolded`."""
        work = self._models.keep(events)
        try:
            statement = next(work)
            while True:
                try:
                    cursor = await connection.execute(*statement)
                    found = await cursor.fetchall() if cursor.description else ()
                except Exception as error:
                    statement = work.throw(error)
                else:
                    statement = work.send(found)
        except StopIteration:
            return
