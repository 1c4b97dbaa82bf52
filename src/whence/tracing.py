"""The events of one row: which ones can have touched it, and folding them, without the others.

A row's events are found by their tag, or by their stream, if either surely tells all of them.
Else every event of the types that the read model folds has to be looked at.
"""

from collections.abc import (
    AsyncIterator,
    Collection,
    Iterable,
    Iterator,
    Sequence,
)
from datetime import date
from enum import Enum
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from whence.aggregate import Aggregate
from whence.columns import scalar_of, stripped
from whence.decider import Behaviour
from whence.decisions import Decision
from whence.envelope import Recorded, id_of
from whence.errors import WhenceError
from whence.folds import NOTHING, Fold, Skipped, Step, Stuck, unstuck
from whence.handlers import Handler
from whence.messages import Field, Tag, describe, registered
from whence.parking import can_be_parked
from whence.reading import up_to
from whence.readmodels import ReadModel, ReadModelSpec, text_of
from whence.store import EventQuery, EventStore, Item, check_names

R = TypeVar("R", bound=ReadModel)

_WALKS = 300
"""Streams, or types of events with a tag, that one query asks for, about."""
_EXACT = (str, int, UUID, date)
"""Types of keys of which equal ones have the same text."""


def query_of(spec: ReadModelSpec[Any], key: object, *, wide: bool = False) -> EventQuery | None:
    """The events that can touch the row of ``key``; some of them may be others'. None: none can.

    It trusts the streams and tags that the application writes today. ``wide`` trusts nothing but
    the types, and looks at all events of those: a difference that the narrow query shows between
    a row and its events is real if the wide one shows it too.
    """
    text, types, items = text_of(key), set[str](), list[Item]()
    if not _can_be_stored(text):
        return None
    items += (Item(stream=f"{category}-{text}") for category in sorted(spec.follows))
    for event, handler in spec.evolvers.items():
        words = frozenset(describe(event).words)
        if not wide and (tag := _tag(spec, handler)) is not None:
            items.append(Item(words, frozenset(tag.of(key))))
        elif not wide and event in spec.homes:
            homes = sorted(spec.homes[event] - spec.follows)
            items += (Item(words, stream=f"{category}-{text}") for category in homes)
        else:
            types |= words
    if types:
        items.append(Item(frozenset(types)))
    return EventQuery(_merged(items))


def queries_of(
    spec: ReadModelSpec[Any], keys: Collection[object]
) -> Iterator[tuple[Sequence[object], EventQuery]]:
    """The events that can touch the rows of ``keys``: a query each for as many as fit into one."""
    some, items, walks = list[object](), list[Item](), 0
    for key in keys:
        query = query_of(spec, key)
        if query is None:
            continue
        some.append(key)
        items += query.items
        walks += sum(max(1, len(item.types)) for item in query.items)
        if walks >= _WALKS:
            yield some, EventQuery(_merged(items))
            some, items, walks = [], [], 0
    if some:
        yield some, EventQuery(_merged(items))


def is_narrow(query: EventQuery | None) -> bool:
    """Whether it names streams or tags, so that what it finds is found at once."""
    return query is not None and all(item.stream or item.tags for item in query.items)


def homes_of(
    spec: ReadModelSpec[Any],
    behaviours: Collection[Behaviour[Any]],
    decisions: Collection[Decision],
) -> dict[type, frozenset[str]]:
    """Events that are nowhere but in streams called after the key: the categories of these.

    That is so if only aggregates fold them whose id is the field that holds the row's key, and
    if no decision on several things can put them elsewhere.
    """
    found: dict[type, frozenset[str]] = {}
    for event, handler in spec.evolvers.items():
        field = handler.options.get("key") or spec.key
        folding = [behaviour for behaviour in behaviours if event in behaviour.evolvers]
        if (
            folding
            and all(one.id_field == field and _same_text(spec, one) for one in folding)
            and not any(_goes_elsewhere(event, decision) for decision in decisions)
        ):
            found[event] = frozenset(one.name for one in folding)
    return found


def _goes_elsewhere(event: type, decision: Decision) -> bool:
    """Whether ``decision`` may yield ``event`` while it looks at no aggregate that folds it."""
    parts = (part for part in decision.parts if issubclass(part, Aggregate))
    if any(event in part.__behaviour__.evolvers for part in parts):
        return False
    try:
        said = get_type_hints(decision.function).get("return")
    except NameError:
        return True
    several = get_args(said) if get_origin(said) is tuple else get_args(said)[:1]
    yields = [one for part in several or (None,) for one in _flat(part) if one is not ...]
    known = all(isinstance(one, type) and registered(one) is not None for one in yields)
    return not known or event in yields


def _flat(hint: Any) -> list[Any]:
    """The members of a union; else the one."""
    parts = get_args(hint)
    return [one for part in parts for one in _flat(part)] if parts else [hint]


def _same_text(spec: ReadModelSpec[Any], behaviour: Behaviour[Any]) -> bool:
    """Whether the id in a stream's name is the text of the key: 7 is not called 007 there."""
    scalar = spec.key_column.scalar
    if scalar is str:
        return True
    ids = [
        scalar_of(stripped(field.type)[0])
        for command in behaviour.deciders
        for field in describe(command).fields
        if field.name == behaviour.id_field
    ]
    return scalar in _EXACT and all(one is scalar for one in ids)


def _tag(spec: ReadModelSpec[Any], handler: Handler) -> Tag | None:
    """The tag that tells the rows of a handler's events, if their field has one."""
    name = handler.options.get("key") or spec.key
    field = next((f for f in describe(handler.message).fields if f.name == name), None)
    if field is None or field.tag is None:
        return None
    scalar = spec.key_column.scalar
    exact = scalar in _EXACT or (isinstance(scalar, type) and issubclass(scalar, Enum))
    return field.tag if exact and _element(field) is scalar else None


def _element(field: Field) -> type[object] | None:
    """The type of a field's value, or of its values if it holds several."""
    hint = stripped(field.type)[0]
    if get_origin(hint) in (list, tuple, set, frozenset):
        hint = stripped(get_args(hint)[0])[0]
    return scalar_of(hint)


def _can_be_stored(text: str) -> bool:
    """Whether there can be a stream or a tag with this in its name."""
    try:
        check_names([text or "-"])
    except ValueError:
        return False
    return True


class Trace(Generic[R]):
    """The events of one row, on their way through its fold."""

    def __init__(
        self,
        store: EventStore,
        fold: Fold[R],
        key: Any,
        skipped: Skipped = NOTHING,
        *,
        wide: bool = False,
    ) -> None:
        self.key = key
        self.query = query_of(fold.spec, key, wide=wide)
        self._store, self._fold, self._skipped = store, fold, skipped
        self._touched = set[str]()  # the streams of its events
        self._unread: dict[str, WhenceError] = {}  # streams of which it may have missed one

    async def steps(
        self, after: int = 0, until: int | None = None
    ) -> AsyncIterator[tuple[list[Step], int]]:
        """Page by page what touches the row after ``after``, and how far that was looked for.

        Raises the error of the first event that cannot be read, unless it is surely another's.
        """
        if self.query is None or (until is not None and until <= after):
            return
        async for page in self._store.read(self.query, after=after):
            events, scanned = up_to(page, until)
            yield self._touching(events), scanned
            if scanned == until:
                return

    async def row(self, until: int | None = None) -> R | None:
        """The row as it is after the position ``until``; None: there is none."""
        row = Growing(self._fold, self.key)
        async for steps, _ in self.steps(until=until):
            row.grow(steps)
        return row.now

    def _touching(self, events: Sequence[Recorded]) -> list[Step]:
        try:
            return self._checked(self._fold.touching(events, self.key, self._skipped))
        except Stuck:
            return [step for event in events for step in self._touching_one(event)]

    def _touching_one(self, event: Recorded) -> list[Step]:
        try:
            return self._checked(self._fold.touching([event], self.key, self._skipped))
        except Stuck as stuck:
            if self._is_ours(event) or not can_be_parked(stuck.error):
                raise stuck.error from stuck.error.__cause__
            self._unread[event.stream] = stuck.error
            return []

    def _is_ours(self, unread: Recorded) -> bool:
        """Whether an event that cannot be read is the row's, by all that is known of it."""
        narrow = (
            [item for item in self.query.items if item.stream or item.tags] if self.query else []
        )
        known = unread.stream in self._touched or id_of(unread.stream) == text_of(self.key)
        return known or any(item.matches(unread) for item in narrow)

    def _checked(self, steps: list[Step]) -> list[Step]:
        """Raise what is wrong with an event that was taken for another's, and is perhaps not."""
        for step in steps:
            if (error := self._unread.get(step[0].stream)) is not None:
                raise error
            self._touched.add(step[0].stream)
        return steps


class Growing(Generic[R]):
    """One row that is folded event by event."""

    def __init__(self, fold: Fold[R], key: Any, row: R | None = None) -> None:
        self._fold, self._key = fold, key
        self._rows: dict[Any, R | None] = {key: row}

    def grow(self, steps: Iterable[Step]) -> None:
        """Fold ``steps`` in. Raises the error of the first event that cannot be folded."""
        with unstuck():
            self._fold.apply(steps, self._rows)

    @property
    def now(self) -> R | None:
        """The row as it is: a copy of its own. None: there is none."""
        row = self._rows.get(self._key)
        return None if row is None else self._fold.copied(row)


def _merged(items: Iterable[Item]) -> tuple[Item, ...]:
    """The same with fewer items: those that differ in nothing but the types are one."""
    found: dict[tuple[frozenset[str], str | None], frozenset[str]] = {}
    for item in items:
        place = (item.tags, item.stream)
        seen = found.get(place, item.types)
        found[place] = item.types | seen if item.types and seen else frozenset()
    return tuple(Item(types, tags, stream) for (tags, stream), types in found.items())
