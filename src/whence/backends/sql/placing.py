"""Rows in a `RowStore`, with the interface of rows in a table.

The rows are written before the transaction ends that moves the checkpoint. Who is killed in
between has written rows that are ahead of it: the positions in them say so, and their events are
passed over when they come again.
"""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Connection

from whence.backends.sql.answering import never_projected
from whence.backends.sql.database import ReadDatabase
from whence.backends.sql.dialects import wait_elsewhere
from whence.codec import Codec
from whence.elsewhere import Document, RowStore, table_name
from whence.errors import StoreError
from whence.folds import Fold, Rows, Step
from whence.plain import from_plain, to_builtins
from whence.readmodels import ReadModel, ReadModelSpec
from whence.slices import name_of

R = TypeVar("R", bound=ReadModel)

_UNREADABLE = -1
"""The version of what is no row, for whoever compares it with one."""


class Unreadable(StoreError):
    """What somebody else has put into a store is no row."""


class Place(Generic[R]):
    """Where the rows of one read model are: a table of the store for each generation."""

    def __init__(self, spec: ReadModelSpec[R], store: RowStore, database: ReadDatabase) -> None:
        self._spec, self._store, self._database = spec, store, database

    def load(
        self, connection: Connection, name: str, keys: Iterable[Any]
    ) -> dict[Any, tuple[R | None, int]]:
        """What is kept of ``keys`` in the generation called ``name``, and the positions."""
        texts = {name_of(key): key for key in keys}
        with self._reached():
            found = self._store.load(self._table(connection, name), list(texts))
        try:
            return {texts[t]: (self._row(one), one.position) for t, one in found.items()}
        except msgspec.ValidationError as error:
            raise Unreadable(
                f"the rows of {self._spec.name} cannot be read: {error}. `whence verify"
                f" {self._spec.name} --repair` makes them anew"
            ) from error

    def store(
        self, connection: Connection, name: str, rows: Mapping[Any, tuple[R | None, int]]
    ) -> None:
        """Keep these rows, unless there are newer ones."""
        documents = {
            name_of(key): Document(position, None if row is None else to_builtins(row))
            for key, (row, position) in rows.items()
        }
        with self._reached():
            self._store.store(self._table(connection, name), documents)

    def scan(self, connection: Connection, name: str) -> Iterator[tuple[Any, R, int]]:
        """All rows by their keys, with their positions; what is no row is never equal to one."""
        make, hint = self._spec.cls, self._spec.key_column.hint
        with self._reached():
            for text, document in self._store.scan(self._table(connection, name)):
                try:
                    row = self._row(document)
                    key = None if row is None else getattr(row, self._spec.key)
                except msgspec.ValidationError:
                    row, key = None, None
                if document.row is None:
                    continue
                if row is None or name_of(key) != text:
                    key = msgspec.convert(text, hint, strict=False)
                    row = make(**{self._spec.key: key}, version=_UNREADABLE)
                yield key, row, document.position

    def delete(self, connection: Connection, name: str, keys: Iterable[Any]) -> None:
        """Forget what is kept of ``keys``."""
        with self._reached():
            self._store.delete(self._table(connection, name), [name_of(key) for key in keys])

    def empty(self, connection: Connection, generation: int) -> None:
        """Forget a generation."""
        wait_elsewhere(connection)
        with self._reached():
            self._store.delete(table_name(self._spec.name, generation))

    def sweep(self, connection: Connection, names: Iterable[str]) -> None:
        """Forget all generations but those called ``names``, while nobody begins another."""
        records = [self._database.registry.load(connection, name) for name in names]
        kept = {record.generation for record in records if record is not None}
        for generation in set(range(1, max(kept, default=0) + 2)) - kept:
            self.empty(connection, generation)

    def _table(self, connection: Connection, name: str) -> str:
        record = self._database.registry.load(connection, name)
        if record is None:
            raise never_projected(self._spec.name)
        return table_name(self._spec.name, record.generation)

    def _row(self, document: Document) -> R | None:
        if document.row is None:
            return None
        return msgspec.convert(document.row, self._spec.cls, dec_hook=from_plain)

    @contextmanager
    def _reached(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            raise StoreError(
                f"the rows of {self._spec.name} are out of reach: {type(error).__name__}: {error}"
            ) from error


class GuardedFold(Fold[R]):
    """A fold that passes over events that a row has seen already."""

    def __init__(self, spec: ReadModelSpec[R], codec: Codec) -> None:
        super().__init__(spec, codec)
        self.seen: dict[Any, int] = {}
        """The positions of rows that may be ahead."""

    def apply(self, steps: Iterable[Step], rows: Rows[R]) -> dict[Any, int]:
        """See `Fold.apply`."""
        return super().apply(self._new_to(steps) if self.seen else steps, rows)

    def _new_to(self, steps: Iterable[Step]) -> Iterator[Step]:
        for step in steps:
            keys = [key for key in step[3] if not self._knows(key, step[0].position)]
            if keys:
                yield (*step[:3], keys, step[4])

    def _knows(self, key: Any, position: int) -> bool:
        if self.seen.get(key, 0) >= position:
            return True
        self.seen.pop(key, None)  # from here on it is not ahead any more
        return False


class PlacedRows(Generic[R]):
    """Rows of one generation, for whoever folds. See `RowTable`."""

    def __init__(self, place: Place[R], name: str, fold: GuardedFold[R]) -> None:
        self._place, self._name, self._fold = place, name, fold

    def check_row(self, row: R) -> None:
        """See `Checking.check_row`. What a store of another kind can keep, only it knows."""

    def check_key(self, key: Any) -> None:
        """See `Checking.check_key`."""

    def load(self, connection: Connection, keys: Sequence[Any]) -> dict[Any, R | None]:
        """See `RowTable.load`. The fold learns how far the rows are."""
        found = self._place.load(connection, self._name, keys)
        self._fold.seen |= {key: position for key, (_, position) in found.items()}
        return {key: row for key, (row, _) in found.items() if row is not None}

    def store(
        self,
        connection: Connection,
        rows: Mapping[Any, R | None],
        changed: Mapping[Any, int],
        existed: Collection[Any],
    ) -> None:
        """See `RowTable.store`."""
        if changed:
            written = {key: (rows[key], position) for key, position in changed.items()}
            self._place.store(connection, self._name, written)
