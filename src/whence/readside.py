"""The read side of an open application: its read models and projections, each where it is kept."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from whence.backends import Backend
from whence.backends.sql import ReadDatabase, SqlProjection, SqlReadModel
from whence.backends.sql.inline import InlineReadModel
from whence.backends.sql.inlining import InlineModels
from whence.backends.sql.placed import PlacedReadModel
from whence.backends.sql.scratches import Scratches
from whence.backends.sql.tables import table_of
from whence.clock import Clock
from whence.errors import WiringError
from whence.folds import Fold, Skipped
from whence.messages import place
from whence.models import Folding, Kept, OpenModel
from whence.places import Places
from whence.projections import ProjectionSpec
from whence.queries import Rows
from whence.readmodels import ReadModel, ReadModelSpec
from whence.subscribers import Subscriber
from whence.subscriptions import Subscription, Subscriptions
from whence.verifying import Verification
from whence.wiring import Wiring


class ReadSide:
    """All that is made of the events, and how it is asked, followed and compared with them."""

    def __init__(self, wiring: Wiring, backend: Backend, places: Places, clock: Clock) -> None:
        self._backend, self._places, self._clock = backend, places, clock
        self._store, self._events = backend.store, wiring.events
        self._url = places.read or backend.read_url
        self.databases: dict[str, ReadDatabase] = {}
        """All that are written to, by their URLs."""
        self.database = self._open_at(self._url)
        """Where all is kept that names no other place."""
        self.subscriptions = Subscriptions(self._store, clock)
        self._models: dict[type[ReadModel], OpenModel[Any]] = {}
        self._verifications: dict[type[ReadModel], Verification[Any]] = {}
        specs = wiring.specs()
        self._homes = {
            spec.name: self._open_at(places.of(spec, self._url, backend)) for spec in specs
        }
        self._keep_inline(specs)
        self.folding = Folding(self._store, self._events, Scratches(self._store), self._left_out)
        for spec in specs:
            self._add_model(spec)
        for part in wiring.projections:
            self._add_projection(part.__projection__)

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

    def verification(self, model: type[ReadModel]) -> Verification[Any]:
        """Who compares the rows of ``model`` with the log. Raises `WiringError` likewise."""
        self.subscription(model)
        return self._verifications[model]

    def verifications(self) -> list[tuple[Fold[Any], Verification[Any]]]:
        """All that can be compared with the log."""
        return [(self._models[cls].fold, one) for cls, one in self._verifications.items()]

    def _open_at(self, url: str) -> ReadDatabase:
        if url not in self.databases:
            self.databases[url] = ReadDatabase(url, clock=self._clock)
        return self.databases[url]

    async def _left_out(self, name: str) -> Skipped:
        return await self._homes[name].left_out(name)

    def _keep_inline(self, specs: Sequence[ReadModelSpec[Any]]) -> None:
        """Have whoever appends write the inline read models, too."""
        inline = [Fold(spec, self._events) for spec in specs if spec.kind == "inline"]
        beside = self._backend.beside
        if inline and beside is not None:
            beside.keep(InlineModels(inline, self._open_at(beside.url), beside.log))

    def _add_model(self, spec: ReadModelSpec[Any]) -> None:
        fold, home = Fold(spec, self._events), self._homes[spec.name]
        if spec.kind == "live":
            table = table_of(spec, spec.name, spec.name)
            self._models[spec.cls] = OpenModel(self.folding, fold, table)
            return
        source = self._source(spec, home)
        reached = source.reaching(self._store, self._follow(source, home).reached)
        kept = Kept(source.reader, source.checkpoint, reached, partial(home.parked, spec.name))
        self._models[spec.cls] = OpenModel(self.folding, fold, source.table, kept)
        self._verifications[spec.cls] = Verification(self._store, fold, source.audit)

    def _source(self, spec: ReadModelSpec[Any], home: ReadDatabase) -> SqlReadModel[Any]:
        """What writes and reads the rows."""
        rows, beside = self._places.rows_of(spec), self._backend.beside
        if rows is not None:
            return PlacedReadModel(spec, home, self._events, rows)
        if spec.kind == "inline" and beside is not None:
            return InlineReadModel(spec, home, self._events, beside.log)
        return SqlReadModel(spec, home, self._events)

    def _add_projection(self, spec: ProjectionSpec) -> None:
        home = self._open_at(self._places.of_projection(spec, self._url, self._backend))
        self._follow(SqlProjection(spec, home, self._events), home)

    def _follow(self, subscriber: Subscriber, database: ReadDatabase) -> Subscription:
        return self.subscriptions.add(subscriber, database.ownership, database.owners)
