"""Where the read models and projections of an application are kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from whence.backends import Backend
from whence.backends.sql.address import same, shown
from whence.elsewhere import RowStore
from whence.errors import WiringError
from whence.projections import ProjectionSpec
from whence.readmodels import ReadModelSpec

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
    beside = backend.beside
    if beside is None or not beside.taken or not same(url, beside.url):
        return
    for table in beside.taken.intersection(tables):
        raise WiringError(
            f"{where} would be kept in the table {table!r} of {shown(backend.url)}, where the"
            " store itself has a table of that name. Give it another name"
        )
