"""Walks: each goes along one index in the order of positions, together they find a query."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from whence.store import EventQuery, Item


@dataclass(frozen=True, slots=True)
class Walk:
    """Rows ``t`` of ``table`` for which ``where`` holds."""

    table: str
    where: str
    values: tuple[object, ...]


def walks_of(query: EventQuery, common: Mapping[str, int]) -> Iterator[Walk]:
    """All that together find the events of ``query``; ``common`` says how common tags are."""
    for item in query.items:
        if item.stream or item.commit_id:
            yield _by_name(item)
        elif item.tags:
            yield _by_tag(item, common)
        else:
            for kind in sorted(item.types):
                yield Walk("whence.events", "t.type = %b", (kind,))


def _by_name(item: Item) -> Walk:
    """Along a stream or a commit, which are short."""
    parts: list[str] = []
    values: list[object] = []
    if item.stream:
        parts.append("t.stream = %b and t.version > 0")
        values.append(item.stream)
    if item.commit_id:
        parts.append("t.commit_id = %b")
        values.append(item.commit_id)
    if item.types:
        parts.append("t.type = any(%b::text[])")
        values.append(sorted(item.types))
    if item.tags:
        parts.append("whence.carries(t.position, %b::text[])")
        values.append(sorted(item.tags))
    return Walk("whence.events", " and ".join(parts), tuple(values))


def _by_tag(item: Item, common: Mapping[str, int]) -> Walk:
    """Along the rarest tag; what else the item wants is looked up for each of its events."""
    rarest, *others = sorted(item.tags, key=lambda tag: (common.get(tag, 0), tag))
    where, values = "t.tag = %b", list[object]([rarest])
    if others:
        where += " and whence.carries(t.position, %b::text[])"
        values.append(others)
    if item.types:
        where += (
            " and (select type from whence.events e where e.position = t.position)"
            " = any(%b::text[])"
        )
        values.append(sorted(item.types))
    return Walk("whence.tags", where, tuple(values))
