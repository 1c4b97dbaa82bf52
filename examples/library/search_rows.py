"""Rows in a search index of Tantivy's: a folder for each table, a document for each key."""

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import tantivy

from whence.elsewhere import Document

_MOST = 1_000_000
"""Documents that are looked at in one go."""
_MEMORY = 15_000_000
"""Bytes that a writer may use."""


class SearchRows:
    """A `RowStore`. What is in the columns ``text`` is found by its words.

    Only one process at a time writes to an index: another one waits, and tries again.
    """

    def __init__(self, folder: str | Path, text: Sequence[str]) -> None:
        self._folder, self._text = Path(folder), text

    def search(self, table: str, words: str, limit: int = 10) -> list[str]:
        """The keys of the rows that fit ``words`` best, in the words of Tantivy's queries."""
        index = self._index(table)
        query, _ = index.parse_query_lenient(words, list(self._text))
        return [_key(one) for one in _found(index, query, limit)]

    def load(self, table: str, keys: Sequence[str]) -> Mapping[str, Document]:
        """See `RowStore.load`."""
        index = self._index(table)
        query = tantivy.Query.term_set_query(index.schema, "key", keys)
        return {_key(one): _document(one) for one in _found(index, query, _MOST)} if keys else {}

    def store(self, table: str, documents: Mapping[str, Document]) -> None:
        """See `RowStore.store`."""
        with self._index(table).writer(_MEMORY, num_threads=1) as writer:
            known = self.load(table, list(documents))  # nobody else can write now
            for key, one in documents.items():
                if key not in known or known[key].position < one.position:
                    writer.delete_documents_by_term("key", key)
                    writer.add_document(self._made(key, one))
            writer.commit()

    def delete(self, table: str, keys: Collection[str] | None = None) -> None:
        """See `RowStore.delete`."""
        if keys is None:
            shutil.rmtree(self._folder / table, ignore_errors=True)
            return
        with self._index(table).writer(_MEMORY, num_threads=1) as writer:
            for key in keys:
                writer.delete_documents_by_term("key", key)
            writer.commit()

    def scan(self, table: str) -> Iterator[tuple[str, Document]]:
        """See `RowStore.scan`."""
        for one in _found(self._index(table), tantivy.Query.all_query(), _MOST):
            yield _key(one), _document(one)

    def _index(self, table: str) -> tantivy.Index:
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("key", stored=True, tokenizer_name="raw")
        schema.add_unsigned_field("position", stored=True)
        schema.add_bytes_field("row", stored=True)
        for name in self._text:
            schema.add_text_field(name, tokenizer_name="en_stem")
        folder = self._folder / table
        folder.mkdir(parents=True, exist_ok=True)
        return tantivy.Index(schema.build(), str(folder))

    def _made(self, key: str, document: Document) -> tantivy.Document:
        position, row = document
        texts = {name: row[name] for name in self._text if row and row.get(name)}
        data = json.dumps(row).encode()
        return tantivy.Document(key=key, position=position, row=data, **texts)


def _found(index: tantivy.Index, query: tantivy.Query, limit: int) -> Iterator[Any]:
    index.reload()
    searcher = index.searcher()
    for _, address in searcher.search(query, limit).hits:
        yield searcher.doc(address)


def _key(found: Any) -> str:
    return cast("str", found["key"][0])


def _document(found: Any) -> Document:
    return Document(found["position"][0], json.loads(bytes(found["row"][0])))
