"""Inline read models: their rows change in the transaction that stores the events.

An inline read model has a checkpoint like any other, in the same database as the log. Whoever
appends looks at it: if it is at the end of the log, or near it, rows and checkpoint go along with
the append. If it is not, or was made by other code, or people want it to stand still, nothing is
done for it: then it is led along the log as all others are, until it is there again.

What has to be asked is said by generators, some statements at a time, so that each store can ask
in its own way, and wait once for all of them.
"""

import sqlite3
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from functools import cached_property, partial
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
"""The rows of one statement; of one that changes something, none."""
Work = Generator[Sequence[Statement], Sequence[Found], Result]
"""Says what to ask next, and is sent what was found."""
Ask = Callable[[Sequence[Statement]], Awaitable[Sequence[Found]]]
"""Asks a database some statements."""


class AskedRows(RowTable[R]):
    """Rows of a table that somebody else asks."""

    def asking(self, keys: Sequence[Any]) -> Sequence[Statement]:
        """What finds the rows of ``keys``."""
        return [*self._statements.loading(self._keys(keys))]

    def found(self, answers: Iterable[Found]) -> Rows[R]:
        """The rows that were found."""
        return self._by_key(tuple(values) for found in answers for values in found)

    def writing(
        self, rows: Rows[R], changed: Mapping[Any, int], existed: Collection[Any]
    ) -> Sequence[Statement]:
        """What writes the ``changed`` rows; ``existed`` are the keys that have one."""
        new, old, gone = self._sorted(rows, changed, existed)
        return [*self._statements.deleting(gone), *self._statements.storing([*new, *old])]


class InlineModel(Generic[R]):
    """One inline read model, or the table that will replace its own."""

    def __init__(self, fold: Fold[R], database: ReadDatabase, name: str, log: str) -> None:
        self.fold, self.name, self.shape = fold, name, fold.spec.shape
        self._database, self._log = database, log

    @cached_property
    def rows(self) -> AskedRows[R]:
        """Its table."""
        spec = self.fold.spec
        table = table_of(spec, self.name, self.name)
        return AskedRows(spec, table, self._database.engine.dialect)

    def read(self, events: Sequence[Recorded]) -> list[Step]:
        """Decode what concerns it. Raises `Stuck`."""
        return self.fold.read(self.fold.concerning(events))

    def missing(self, since: int, until: int) -> Statement:
        """What finds the events after ``since`` up to ``until``, and one if they are too many."""
        mark = mark_of(self._database.engine.dialect)
        statement = (
            f"select position, stream, version, type, data from {self._log}"
            f" where position > {mark} and position <= {mark} order by position limit {mark}"
        )
        return statement, (since, until, PAGE_EVENTS + 1)

    def moving(self, position: int) -> Statement:
        """What moves its checkpoint, which is held."""
        mark = mark_of(self._database.engine.dialect)
        statement = f"update whence_checkpoints set position = {mark} where name = {mark}"
        return statement, (position, self.name)


class Turn(Generic[R]):
    """What becomes of one inline read model in one transaction."""

    def __init__(self, model: InlineModel[R], events: Sequence[Recorded] = ()) -> None:
        self.model = model
        self._steps: list[Step] = []
        self._missed: list[Step] = []
        self._stuck: Stuck | None = None
        self._rows: Rows[R] = {}
        self._existed = frozenset[Any]()
        try:
            self._steps = model.read(events)
        except Stuck as stuck:
            self._stuck = stuck

    def catch_up(self, since: int, until: int) -> Work[bool]:
        """Find what it needs, and what is between. False: that is for those who follow the log."""
        if since < until:
            (found,) = yield [self.model.missing(since, until)]
            if len(found) > PAGE_EVENTS:
                return False
            events = [Recorded(row[0], row[1], row[2], row[3], bytes(row[4])) for row in found]
            try:
                self._missed = self.model.read(events)
            except Stuck:
                return False  # they know what to do with it
        if steps := [*self._missed, *self._steps]:
            answers = yield self.model.rows.asking(keys_of(steps))
            self._rows = self.model.rows.found(answers)
            self._existed = frozenset(self._rows)
        return True

    def writing(self, position: int) -> Sequence[Statement] | None:
        """What writes all of it, and moves the checkpoint to ``position``.

        None: what was before cannot be folded. Raises `Stuck` if the rest cannot.
        """
        if self._stuck is not None:
            raise self._stuck
        try:
            changed = self.model.fold.apply(self._missed, self._rows)
        except Stuck:
            return None
        changed |= self.model.fold.apply(self._steps, self._rows)
        written = self.model.rows.writing(self._rows, changed, self._existed)
        return [*written, self.model.moving(position)]


class InlineModels:
    """All inline read models of an application, in the database of the log.

    ``log`` is the name of the table of events there.
    """

    def __init__(self, folds: Iterable[Fold[Any]], database: ReadDatabase, log: str) -> None:
        self._models = [InlineModel(fold, database, fold.spec.name, log) for fold in folds]
        specs = [model.fold.spec for model in self._models]
        self._words = {w for spec in specs for cls in spec.evolvers for w in describe(cls).words}
        self._follows = frozenset[str]().union(*(spec.follows for spec in specs))
        self._database = database

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
        turns = [Turn(model, events) for model in self._models]
        held, shapes = yield self._asking
        if len(held) < len(turns):
            # Who waits for a row that is then renamed does not find the one that takes its place.
            held, shapes = yield self._asking
        ready, written = _ready(held, shapes), list[Statement]()
        for turn in turns:
            shape, since = ready.get(turn.model.name, ("", first))
            if shape != turn.model.shape or since >= first:
                continue
            if (yield from turn.catch_up(since, first - 1)):
                written += self._written(turn, last)
        if written:
            try:
                yield written
            except self._misfits as error:
                names = ", ".join(model.name for model in self._models)
                raise NotFolded(names, error) from error

    def _written(self, turn: Turn[Any], position: int) -> Sequence[Statement]:
        name = turn.model.name
        try:
            return turn.writing(position) or ()
        except Stuck as stuck:
            raise NotFolded(name, stuck.error) from stuck.error
        except self._misfits as error:
            raise NotFolded(name, error) from error

    @cached_property
    def _asking(self) -> Sequence[Statement]:
        """How far all are, and the shapes of those that nobody else has to look after."""
        dialect, names = self._database.engine.dialect, [model.name for model in self._models]
        mark, marks = mark_of(dialect), marks_of(dialect, len(names))
        # Held first: whoever changes what is asked next holds them, too.
        locked = "" if is_sqlite(dialect) else " for update"
        holding = (
            "select name, position from whence_checkpoints"
            f" where name in ({marks}) order by name, slice{locked}"
        )
        looking = (
            "select name, shape from whence_projections p"
            f" where name in ({marks}) and wanted = {mark}"
            " and not exists (select 1 from whence_dead d where d.name = p.name)"
            " and not exists (select 1 from whence_skipped s, whence_checkpoints c"
            " where s.name = p.name and c.name = p.name and s.position > c.position)"
        )
        return (holding, names), (looking, [*names, "running"])

    @cached_property
    def _misfits(self) -> tuple[type[BaseException], ...]:
        """What a row brings about that its table cannot keep."""
        dialect = self._database.engine.dialect
        driver = dialect.loaded_dbapi
        found = driver.DataError, driver.IntegrityError, TypeError, ValueError, OverflowError
        binding = (driver.ProgrammingError, driver.InterfaceError) if is_sqlite(dialect) else ()
        return *found, *binding


def _ready(held: Found, shapes: Found) -> Mapping[str, tuple[str, int]]:
    """The shape of each that can be kept, and how far it is."""
    positions: dict[str, set[int]] = {}
    for name, position in held:
        positions.setdefault(name, set()).add(position)
    return {
        name: (shape, min(positions[name]))
        for name, shape in shapes
        if len(positions.get(name, ())) == 1
    }


async def lead(work: Work[Result], ask: Ask) -> Result:
    """Do ``work``: ask what it says, and send it what is found, or what goes wrong."""
    try:
        statements = next(work)
        while True:
            try:
                found = await ask(statements)
            except Exception as error:
                statements = work.throw(error)
            else:
                statements = work.send(found)
    except StopIteration as done:
        result: Result = done.value
        return result


def run(work: Work[Result], ask: Callable[[Statement], Found]) -> Result:
    """The same where asking takes no waiting, one statement after the other."""

    async def at_once(statements: Sequence[Statement]) -> Sequence[Found]:
        return [ask(statement) for statement in statements]

    try:
        lead(work, at_once).send(None)  # what never waits comes to its end at once
    except StopIteration as done:
        result: Result = done.value
        return result
    raise AssertionError("nothing in it waits")


class OnSqlite:
    """Keeps inline read models in the file of an `SqliteStore`, on its own connection."""

    def __init__(self, models: InlineModels) -> None:
        self._models = models

    def __call__(self, connection: sqlite3.Connection, events: Sequence[Recorded]) -> None:
        """Fold ``events`` in the transaction that stores them. Raises `NotFolded`."""
        connection.create_collation(DECIMAL, compare_decimals)
        run(self._models.keep(events), lambda asked: connection.execute(*asked).fetchall())


class OnPostgres:
    """Keeps inline read models in the database of a `PostgresStore`, on its own connection."""

    def __init__(self, models: InlineModels) -> None:
        self._models = models

    def concerns(self, commits: Iterable[Commit]) -> bool:
        """See `InlineModels.concerns`."""
        return self._models.concerns(commits)

    async def keep(self, connection: Any, events: Sequence[Recorded]) -> None:
        """Fold ``events`` in the transaction that stores them. Raises `NotFolded`."""
        await lead(self._models.keep(events), partial(_asked, connection))


async def _asked(connection: Any, statements: Sequence[Statement]) -> Sequence[Found]:
    """All of them in one go."""
    async with connection.pipeline():
        cursors = [await connection.execute(*statement) for statement in statements]
    return [await cursor.fetchall() if cursor.description else () for cursor in cursors]
