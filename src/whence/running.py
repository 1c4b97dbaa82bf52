"""What an application needs while it is open: its store, its bus, its subscriptions."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from whence.answers import Queries
from whence.backends import Backend, backend, given
from whence.bus import Bus
from whence.clock import Clock
from whence.deciding import Decisions
from whence.elsewhere import RowStore
from whence.errors import WiringError
from whence.folds import Fold
from whence.messages import place
from whence.models import Folding, Kept, OpenModel
from whence.pipeline import (
    Authorization,
    Authorize,
    Idempotency,
    Pipeline,
    Retry,
    Step,
    Timed,
    validation,
)
from whence.projections import ProjectionSpec
from whence.queries import Rows
from whence.readmodels import ReadModel, ReadModelSpec
from whence.recording import Recorder
from whence.repository import Repository
from whence.store import EventStore
from whence.subscribers import Subscriber
from whence.subscriptions import Subscription, Subscriptions
from whence.telemetry import Telemetry
from whence.wiring import Wiring

if TYPE_CHECKING:
    from whence.backends.sql import ReadDatabase
    from whence.verifying import Verification

Elsewhere = Callable[[str | RowStore | None], str | RowStore | None]
"""Finds where a read model or projection is kept, for what its class names."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where read models and projections are kept."""

    read: str | None
    """Where those are that name no place; None: where the store wants them."""
    local: str
    """Where those are that each node keeps for itself, unless all of them are on one node."""
    elsewhere: Elsewhere

    def of(self, spec: ReadModelSpec[Any], read: str, backend: Backend) -> str:
        """The URL of the database of a read model, if ``read`` is where most of them are."""
        if spec.kind == "inline":
            url = self._beside(spec, backend)
        elif spec.local:
            url = read if read.startswith("sqlite") else self.local
        else:
            named = self.elsewhere(spec.database)
            url = named if isinstance(named, str) else read
        _check_free(spec.where, [spec.name], url, backend)
        return url

    def rows_of(self, spec: ReadModelSpec[Any]) -> RowStore | None:
        """What keeps the rows of a read model, if that is no database."""
        named = self.elsewhere(spec.database)
        return None if isinstance(named, str) else named

    def of_projection(self, spec: ProjectionSpec, read: str, backend: Backend) -> str:
        """The URL of the database that a projection writes to."""
        named = self.elsewhere(spec.database)
        url = named if isinstance(named, str) else read
        _check_free(spec.where, [table.name for table in spec.tables], url, backend)
        return url

    def _beside(self, spec: ReadModelSpec[Any], backend: Backend) -> str:
        """The database of the store. Raises `WiringError` if read models shall be elsewhere."""
        from whence.backends.sql.address import same, shown

        store = shown(backend.url) or type(backend.store).__name__
        beside = backend.beside
        if beside is None:
            raise WiringError(
                f"{spec.where} is inline, but {store} keeps no tables together with the log. Use"
                " a store in SQLite or PostgreSQL, or leave out kind='inline'"
            )
        if self.read is not None and not same(self.read, beside.url):
            raise WiringError(
                f"{spec.where} is inline: its rows change together with the log in {store}, but"
                f" the read models are in {shown(self.read)}. Leave out the setting `read`, or"
                " kind='inline'"
            )
        return beside.url


def _check_free(where: str, tables: Iterable[str], url: str, backend: Backend) -> None:
    """Raise `WiringError` if one of ``tables`` is the store's own: it would be emptied."""
    from whence.backends.sql.address import same, shown

    beside = backend.beside
    if beside is None or not beside.taken or not same(url, beside.url):
        return
    for table in beside.taken.intersection(tables):
        raise WiringError(
            f"{where} would be kept in the table {table!r} of {shown(backend.url)}, where the"
            " store itself has a table of that name. Give it another name"
        )


Placed = tuple[Step, str | None, str | None]
"""A step of the user's, and the step that it stands before or after."""


class Running:
    """The parts of one open application, started and stopped together."""

    def __init__(
        self,
        wiring: Wiring,
        store: str | EventStore,
        places: Places,
        clock: Clock,
        authorize: Authorize | None,
        steps: Sequence[Placed],
        cached: int,
        projecting: bool,
        verify_every: float | None,
        app: object,
    ) -> None:
        self.backend = backend(store) if isinstance(store, str) else given(store)
        self.store = self.backend.store
        self.telemetry = Telemetry()
        recorder = Recorder(self.store, wiring.events, clock)
        self.repository = Repository(
            self.store, wiring.events, recorder, self.backend.snapshots, cached
        )
        self.bus = Bus(wiring.commands, self._pipeline(authorize, steps))
        self.decisions = Decisions(self.store, wiring.events, recorder, self.repository)
        self._route(wiring)
        wiring.check(self.bus.handled)
        self.bus.start()
        self._open_read_side(wiring, places, clock)
        self.queries = Queries(wiring.queries, app)
        for answer in wiring.answers:
            self.queries.register(answer)
        self._projecting = projecting
        from whence.checking import ContinuousCheck

        self.check = ContinuousCheck(
            self.store,
            [(self._models[cls].fold, one) for cls, one in self._verifications.items()],
            self.telemetry,
            verify_every or 0.0,
        )
        self._checking = verify_every is not None

    async def start(self) -> None:
        """Open the store and start delivering; all of it, or nothing."""
        try:
            await self.backend.open()
            for database in self.databases.values():
                await database.open()
            if self._projecting:
                await self.subscriptions.start()
            if self._checking:
                await self.check.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish what is under way, stop delivering, and let go of the store, whatever fails."""
        async with AsyncExitStack() as last:
            last.push_async_callback(self.backend.close)
            for database in self.databases.values():
                last.push_async_callback(database.close)
            last.push_async_callback(self.subscriptions.stop)
            last.push_async_callback(self.check.stop)
            last.push_async_callback(self.folding.close)
            last.push_async_callback(self.repository.close)

    def rows(self, model: type[ReadModel]) -> Rows[Any]:
        """The rows of ``model``. Raises `WiringError` if it is not in this application."""
        return Rows(self.model(model))

    def model(self, model: type[ReadModel]) -> OpenModel[Any]:
        """All that can be asked of ``model``. Raises `WiringError` likewise."""
        found = self._models.get(model)
        if found is None:
            raise WiringError(f"{place(model)} is not in this application: pass it to App")
        return found

    def subscription(self, model: type[ReadModel]) -> Subscription:
        """How ``model`` follows the log. Raises `WiringError` likewise, or if it does not."""
        spec = self.model(model).spec
        if spec.name not in self.subscriptions.by_name:
            raise WiringError(f"{spec.where} is {spec.kind}: it has no table that follows the log")
        return self.subscriptions.by_name[spec.name]

    def verification(self, model: type[ReadModel]) -> "Verification[Any]":
        """Who compares the rows of ``model`` with the log. Raises `WiringError` likewise."""
        self.subscription(model)
        return self._verifications[model]

    def _open_read_side(self, wiring: Wiring, places: Places, clock: Clock) -> None:
        # SQLAlchemy is imported when it is needed, not by `import whence`.
        from whence.backends.sql import ReadDatabase, SqlProjection, SqlReadModel
        from whence.backends.sql.inline import InlineReadModel
        from whence.backends.sql.inlining import InlineModels
        from whence.backends.sql.placed import PlacedReadModel
        from whence.backends.sql.scratch import Scratches
        from whence.backends.sql.tables import table_of
        from whence.verifying import Verification

        read_url = places.read or self.backend.read_url
        self.database = ReadDatabase(read_url, clock=clock)
        self.databases = {read_url: self.database}

        def database(url: str) -> ReadDatabase:
            if url not in self.databases:
                self.databases[url] = ReadDatabase(url, clock=clock)
            return self.databases[url]

        self.subscriptions = Subscriptions(self.store, clock)
        scratches = Scratches(self.store)
        self._models = dict[type[ReadModel], OpenModel[Any]]()
        self._verifications = dict[type[ReadModel], Verification[Any]]()
        specs = wiring.specs()
        homes = {spec.name: database(places.of(spec, read_url, self.backend)) for spec in specs}
        inline = [Fold(spec, wiring.events) for spec in specs if spec.kind == "inline"]
        beside = self.backend.beside
        if inline and beside is not None:
            beside.keep(InlineModels(inline, database(beside.url), beside.log))
        self.folding = Folding(
            self.store, wiring.events, scratches, lambda name: homes[name].left_out(name)
        )
        for spec in specs:
            fold, home = Fold(spec, wiring.events), homes[spec.name]
            if spec.kind == "live":
                table = table_of(spec, spec.name, spec.name)
                self._models[spec.cls] = OpenModel(self.folding, fold, table)
                continue
            source = SqlReadModel(spec, home, wiring.events)
            if spec.kind == "inline" and beside is not None:
                source = InlineReadModel(spec, home, wiring.events, beside.log)
            if (rows := places.rows_of(spec)) is not None:
                source = PlacedReadModel(spec, home, wiring.events, rows)
            reached = source.reaching(self.store, self._follow(source, home).reached)
            parked = partial(home.parked, spec.name)
            kept = Kept(source.reader, source.checkpoint, reached, parked)
            self._models[spec.cls] = OpenModel(self.folding, fold, source.table, kept)
            self._verifications[spec.cls] = Verification(self.store, fold, source.audit)
        for projection in (part.__projection__ for part in wiring.projections):
            home = database(places.of_projection(projection, read_url, self.backend))
            self._follow(SqlProjection(projection, home, wiring.events), home)

    def _follow(self, subscriber: Subscriber, database: "ReadDatabase") -> Subscription:
        return self.subscriptions.add(subscriber, database.ownership, database.owners)

    def _pipeline(self, authorize: Authorize | None, steps: Sequence[Placed]) -> Pipeline:
        pipeline = Pipeline(
            [
                Timed(self.telemetry),
                validation,
                Authorization(authorize),
                Idempotency(self.store),
                Retry(),
            ]
        )
        for step, before, after in steps:
            pipeline.add(step, before=before, after=after)
        return pipeline

    def _route(self, wiring: Wiring) -> None:
        for behaviour in wiring.behaviours.values():
            handle = partial(self.repository.handle, behaviour)
            for command, handler in behaviour.deciders.items():
                self.bus.register(command, handle, handler.where)
        for decision in wiring.decisions:
            handle = partial(self.decisions.handle, decision)
            self.bus.register(decision.command, handle, decision.where)
