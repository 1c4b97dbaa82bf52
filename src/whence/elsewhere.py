"""`RowStore`: where the rows of a read model can be that is no SQL database.

A document or key-value store, a search index, a graph: whatever keeps rows by their keys takes
four methods. It takes no part in whence's transactions, so an event may be folded and written,
and its checkpoint not moved. Therefore each row is kept with the position of its latest event:
what comes again is not folded again, and what comes late does not replace what is newer.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Document(NamedTuple):
    """A row as a `RowStore` keeps it."""

    position: int
    """Of the latest event in it."""
    row: Mapping[str, Any] | None
    """Its columns and its version, as plain values (as in JSON); None: it was deleted."""


def table_name(name: str, generation: int) -> str:
    """The table of one generation of a read model.

    `Status.generation` says which one is live: ``await app.projections.status(Catalogue)``.
    """
    return f"{name}.{generation}"


class RowStore(Protocol):
    """Keeps rows in tables, by keys that are text.

    Its methods are called from threads, and may wait. A table is there as soon as it is named.
    """

    def load(self, table: str, keys: Sequence[str]) -> Mapping[str, Document]:
        """The documents that there are of ``keys``."""
        ...

    def store(self, table: str, documents: Mapping[str, Document]) -> None:
        """Keep each document, unless there is one of the same or a later position.

        When it returns they are kept for ever, and found.
        """
        ...

    def delete(self, table: str, keys: Collection[str] | None = None) -> None:
        """Forget the documents of ``keys``, or all."""
        ...

    def scan(self, table: str) -> Iterator[tuple[str, Document]]:
        """All documents, in any order."""
        ...
