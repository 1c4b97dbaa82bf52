"""Rows in Redis: a hash for each table, with a field for each key.

A value is the position of the row's latest event, and the row as JSON: `12 {"book_id": ...}`.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, cast

from redis import Redis

from whence.elsewhere import Document

# Redis runs a script alone: nobody writes between the comparison and the change.
_STORE = """
local function position(value)
    return value and tonumber(string.match(value, '^%d+') or '') or -1
end
for i = 1, #ARGV, 2 do
    local kept = redis.call('HGET', KEYS[1], ARGV[i])
    if position(kept) < position(ARGV[i + 1]) then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
end
"""
_AT_ONCE = 2_000
"""Rows in one call of the script: Redis answers nobody else meanwhile."""


class RedisRows:
    """A `RowStore`. Set `appendfsync always` in Redis if rows shall survive a power failure."""

    def __init__(self, url: str, prefix: str = "") -> None:
        # It connects when it is first asked. Its methods have few types, so it is an `Any` here.
        self.redis = cast("Any", Redis).from_url(url)
        self._prefix = prefix
        self._store = self.redis.register_script(_STORE)

    def load(self, table: str, keys: Sequence[str]) -> Mapping[str, Document]:
        """See `RowStore.load`."""
        if not keys:
            return {}
        values: list[bytes | None] = self.redis.hmget(self._name(table), keys)
        found = zip(keys, values, strict=True)
        return {key: _document(value) for key, value in found if value is not None}

    def store(self, table: str, documents: Mapping[str, Document]) -> None:
        """See `RowStore.store`."""
        values = [(key, f"{one.position} {json.dumps(one.row)}") for key, one in documents.items()]
        for start in range(0, len(values), _AT_ONCE):
            some = values[start : start + _AT_ONCE]
            self._store([self._name(table)], [text for pair in some for text in pair])

    def delete(self, table: str, keys: Collection[str] | None = None) -> None:
        """See `RowStore.delete`."""
        if keys is None:
            self.redis.unlink(self._name(table))
        elif keys:
            self.redis.hdel(self._name(table), *keys)

    def scan(self, table: str) -> Iterator[tuple[str, Document]]:
        """See `RowStore.scan`."""
        for key, value in self.redis.hscan_iter(self._name(table), count=_AT_ONCE):
            yield key.decode(), _document(value)

    def _name(self, table: str) -> str:
        return f"{self._prefix}{table}"


def _document(value: bytes) -> Document:
    """What ``value`` says; if somebody has spoilt it, what can be no row."""
    try:
        position, _, row = value.partition(b" ")
        return Document(int(position), cast("dict[str, Any] | None", json.loads(row)))
    except ValueError:
        return Document(0, {})
