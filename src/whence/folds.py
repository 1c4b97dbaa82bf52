"""Folding events into the rows of a read model, in memory: no database, no clock.

A page of the log is folded in two steps: `Fold.read` decodes what concerns the model and finds
the keys, so that the rows can be fetched at once; `Fold.apply` then changes the rows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import GenericAlias
from typing import Any, Generic, TypeVar

import msgspec

from whence.codec import Codec, Decode, Form, undecodable, unknown_type
from whence.envelope import Recorded
from whence.errors import HandlerFailed, WhenceError
from whence.handlers import Handler, Key
from whence.readmodels import ReadModel, ReadModelSpec, key_finder

R = TypeVar("R", bound=ReadModel)

Rows = dict[Any, R | None]
"""Rows by key; None: there is no such row."""


class Stuck(Exception):
    """The event at ``position`` cannot be handled; ``error`` says why. All before it can."""

    def __init__(self, position: int, error: WhenceError) -> None:
        super().__init__(position, error)
        self.position = position
        self.error = error


@dataclass(frozen=True, slots=True)
class _Way:
    """How events of one stored word reach the rows."""

    form: Form
    decode: Decode
    find: Key
    evolve: Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One event, decoded, and the rows that it changes."""

    recorded: Recorded
    event: Any
    evolve: Callable[[Any, Any], None] | None
    keys: Sequence[Any]
    own: Any = None
    """The key of the row that stands for the event's stream."""


class Fold(Generic[R]):
    """How one read model is folded."""

    def __init__(self, spec: ReadModelSpec[R], codec: Codec) -> None:
        self.spec = spec
        self._codec = codec
        self._make: Callable[..., R] = spec.cls
        self._key_type: Any = spec.key_column.hint
        self._keys_type: Any = GenericAlias(list, (self._key_type,))
        self._moments = [c.name for c in spec.columns if c.scalar is datetime]
        self._first = spec.columns[0].name == spec.key
        self._ways: dict[str, _Way | None] = {}
        for handler in spec.evolvers.values():
            self._ways |= self._way(handler)

    def read(self, events: Iterable[Recorded]) -> list[Step]:
        """Decode what concerns this model. Raises `Stuck` at the first event it cannot read."""
        steps: list[Step] = []
        follows = self.spec.follows
        for recorded in events:
            try:
                way = self._ways[recorded.type]
            except KeyError:
                self._unhandled(recorded)
                way = None
            own = self._own_key(recorded) if follows else None
            if way is not None:
                event = _decoded(way, recorded)
                keys = self._keys(way.find(event), recorded)
                steps.append(Step(recorded, event, way.evolve, keys, own))
                if own is not None and own not in keys:
                    steps.append(Step(recorded, None, None, (own,), own))
            elif own is not None:
                steps.append(Step(recorded, None, None, (own,), own))
        return steps

    def apply(self, steps: Iterable[Step], rows: Rows[R]) -> dict[Any, int]:
        """Fold ``steps`` into ``rows``; return the changed keys and the position of each.

        ``rows`` must hold every key of the steps that has a row. Raises `Stuck` at the first
        event that its handler cannot fold; ``rows`` is then of no more use.
        """
        changed: dict[Any, int] = {}
        for step in steps:
            for key in step.keys:
                row = rows.get(key)
                if step.evolve is not None:
                    rows[key] = self._evolved(step, key, self._new(key) if row is None else row)
                elif row is not None:
                    row.version = step.recorded.version
                else:
                    continue
                changed[key] = step.recorded.position
        return changed

    def _evolved(self, step: Step, key: Any, row: R) -> R | None:
        assert step.evolve is not None
        recorded = step.recorded
        foreign = self.spec.follows and key != step.own
        seen = row.version
        row.version = (seen or 1) if foreign else (recorded.version or seen + 1)
        try:
            step.evolve(row, step.event)
            self._settle(row, key)
        except Exception as error:
            raise Stuck(
                recorded.position, HandlerFailed(self.spec.name, recorded, error)
            ) from error
        if not row.version:
            return None
        if foreign:
            row.version = seen
        return row

    def _settle(self, row: R, key: Any) -> None:
        """Make the row what it would be if it came from the database.

        Else the result would depend on where one batch ends and the next begins.
        """
        if getattr(row, self.spec.key) != key:
            raise ValueError(f"a handler changed the key {self.spec.key!r} of its row")
        for name in self._moments:
            moment = getattr(row, name)
            if moment is not None and moment.tzinfo is not UTC:
                if moment.tzinfo is None:
                    raise ValueError(f"{name!r} must be an aware moment, not {moment!r}")
                setattr(row, name, moment.astimezone(UTC))

    def _new(self, key: Any) -> R:
        return self._make(key) if self._first else self._make(**{self.spec.key: key})

    def _way(self, handler: Handler) -> dict[str, _Way | None]:
        form = self._codec.form(handler.message)
        way = _Way(form, form.decode, key_finder(self.spec, handler), handler.function)
        return dict.fromkeys(form.message.words, way)

    def _unhandled(self, recorded: Recorded) -> None:
        """An event that the model does not fold; it must at least be known."""
        if self._codec.named(recorded.type) is None:
            raise Stuck(recorded.position, unknown_type(recorded))
        self._ways[recorded.type] = None

    def _own_key(self, recorded: Recorded) -> Any:
        category, _, id = recorded.stream.partition("-")
        if category not in self.spec.follows:
            return None
        try:
            return (
                id if self._key_type is str else msgspec.convert(id, self._key_type, strict=False)
            )
        except msgspec.ValidationError:
            return None

    def _keys(self, found: Any, recorded: Recorded) -> Sequence[Any]:
        if type(found) is self._key_type:
            return (found,)
        if found is None:
            return ()
        try:
            keys = msgspec.convert(_several(found), self._keys_type)
            return tuple(dict.fromkeys(keys))
        except Exception as error:
            raise Stuck(
                recorded.position, HandlerFailed(self.spec.name, recorded, error)
            ) from error


def _several(found: Any) -> list[Any]:
    several = isinstance(found, Iterable) and not isinstance(found, str | bytes)
    return list(found) if several else [found]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _decoded(way: _Way, recorded: Recorded) -> Any:
    try:
        return way.decode(recorded.data)
    except (ValueError, TypeError) as error:
        raise Stuck(recorded.position, undecodable(recorded, way.form, error)) from error
