"""Folding events into the rows of a read model, in memory: no database, no clock.

A page of the log is folded in two steps: `Fold.read` decodes what concerns the model and finds
the keys, so that the rows can be fetched at once; `Fold.apply` then changes the rows.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from types import GenericAlias
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from whence.codec import Codec, undecodable, unknown_type
from whence.columns import Column
from whence.envelope import Recorded
from whence.errors import HandlerFailed, WhenceError, WiringError
from whence.forms import Decode, Form
from whence.handlers import Handler, Key
from whence.plain import from_plain, to_json
from whence.readmodels import ReadModel, ReadModelSpec, key_finder
from whence.slices import name_of

R = TypeVar("R", bound=ReadModel)

Rows = dict[Any, R | None]
"""Rows by key; None: there is no such row."""
Evolve = Callable[[Any, Any], None]
Step = tuple[Recorded, Any, Evolve | None, Sequence[Any], Any]
"""An event as recorded and as an object, who folds it (None: nobody, it only counts), the keys
of its rows, and the key of the row that stands for its stream. A plain tuple: they are many."""


Skipped = frozenset[tuple[str, int]]
"""Events that are left out: a position, and the text of a key or what stands for a stream."""
NOTHING: Skipped = frozenset()
"""All events count."""


class Stuck(Exception):
    """The event at ``position`` cannot be handled; ``error`` says why. All before it can."""

    def __init__(self, position: int, error: WhenceError) -> None:
        super().__init__(position, error)
        self.position = position
        self.error = error


@contextmanager
def unstuck() -> Generator[None]:
    """Raise what is wrong with an event itself, instead of `Stuck`: here nobody parks it."""
    try:
        yield
    except Stuck as stuck:
        raise stuck.error from stuck.error.__cause__


class _Way(NamedTuple):
    """How events of one stored word reach the rows."""

    decode: Decode
    find: Key
    evolve: Evolve
    form: Form


class Fold(Generic[R]):
    """How one read model is folded."""

    def __init__(self, spec: ReadModelSpec[R], codec: Codec) -> None:
        self.spec = spec
        self._codec = codec
        self._make: Callable[..., R] = spec.cls
        self._key_type: Any = spec.key_column.hint
        self._keys_type: Any = GenericAlias(list, (self._key_type,))
        self._moments = [c.name for c in spec.columns if c.scalar is datetime]
        self._careful = bool(self._moments or spec.follows)
        self._key_of = attrgetter(spec.key)
        self._first = spec.columns[0].name == spec.key
        self._kept = {c.name: as_kept for c in spec.columns if (as_kept := _as_kept(c))}
        self._ways: dict[str, _Way | None] = {}
        for handler in spec.evolvers.values():
            self._ways |= self._way(handler)

    def concerning(self, events: Iterable[Recorded]) -> list[Recorded]:
        """Those of ``events`` that may change a row, or that nobody knows. Quick: decodes none."""
        ways, follows = self._ways, self.spec.follows
        if not follows:
            return [e for e in events if ways.get(e.type, e) is not None]
        return [
            e
            for e in events
            if ways.get(e.type, e) is not None or e.stream.partition("-")[0] in follows
        ]

    def read(self, events: Iterable[Recorded]) -> list[Step]:
        """Decode what concerns this model. Raises `Stuck` at the first event it cannot read."""
        steps: list[Step] = []
        follows, ways, key_type = self.spec.follows, self._ways, self._key_type
        named = key_type is str
        for recorded in events:
            way = ways.get(recorded.type)
            if way is None:
                self._unhandled(recorded)
            own = None
            if follows:
                category, _, id = recorded.stream.partition("-")
                if category in follows:
                    own = id if named else self._own_key(id)
            keys: Sequence[Any] = ()
            if way is not None:
                try:
                    event = way.decode(recorded.data)
                    found = way.find(event)
                except Exception:
                    event, found = self._decoded(way, recorded)  # which says what is wrong
                keys = (found,) if type(found) is key_type else self._keys(found, recorded)
                steps.append((recorded, event, way.evolve, keys, own))
            if own is not None and own not in keys:
                steps.append((recorded, None, None, (own,), own))
        return steps

    def touching(
        self, events: Iterable[Recorded], key: Any, skipped: Skipped = NOTHING
    ) -> list[Step]:
        """Like `read`, but only what touches the row of ``key``."""
        return [
            (step[0], step[1], step[2], (key,), step[4])
            for step in self.reading(events, skipped)
            if key in step[3]
        ]

    def reading(self, events: Iterable[Recorded], skipped: Skipped = NOTHING) -> list[Step]:
        """Like `read`, of all ``events``, without what is left out."""
        concerning = self.concerning(events)
        if not skipped:
            return self.read(concerning)
        kept = [e for e in concerning if (stream_key(e), e.position) not in skipped]
        return [
            (step[0], step[1], step[2], [k for k in step[3] if not _in(skipped, k, step)], step[4])
            for step in self.read(kept)
        ]

    def copied(self, row: R) -> R:
        """A copy as a database would give it back, whatever becomes of ``row``."""
        made = copy(row)
        for name, as_kept in self._kept.items():
            value = getattr(made, name)
            if value is not None:
                setattr(made, name, as_kept(value))
        return made

    def apply(self, steps: Iterable[Step], rows: Rows[R]) -> dict[Any, int]:
        """Fold ``steps`` into ``rows``; return the changed keys and the position of each.

        ``rows`` must hold every key of the steps that has a row. Raises `Stuck` at the first
        event that its handler cannot fold; ``rows`` is then of no more use.
        """
        changed: dict[Any, int] = {}
        evolved = self._evolved_with_care if self._careful else self._evolved
        key_of = self._key_of
        for step in steps:
            position = step[0].position
            for key in step[3]:
                row = rows.get(key)
                if step[2] is not None:
                    made = evolved(step, key, self._new(key) if row is None else row)
                    if made is not None and key_of(made) != key:
                        raise self._moved(made, key)
                    if made is not row or row is None:  # to look a key up again takes its time
                        rows[key] = made
                elif row is not None:
                    row.version = step[0].version
                else:
                    continue
                changed[key] = position
        return changed

    def _evolved(self, step: Step, key: Any, row: R) -> R | None:
        recorded, event, evolve, _, _ = step
        row.version = recorded.version or row.version + 1
        try:
            evolve(row, event)  # type: ignore[misc]
        except Exception as error:
            raise self._stuck(recorded, error) from error
        return row if row.version else None

    def _evolved_with_care(self, step: Step, key: Any, row: R) -> R | None:
        """The version is that of the row's own stream; moments are in UTC at once.

        The latter is how they come back from the database: a fold that looks at the hour must not
        depend on where one batch ends and the next begins.
        """
        recorded, seen = step[0], row.version
        foreign = bool(self.spec.follows) and key != step[4]
        changed = self._evolved(step, key, row)
        if changed is None:
            return None
        if foreign:
            row.version = seen
        for name in self._moments:
            moment = getattr(row, name)
            if moment is not None and moment.tzinfo is not UTC:
                if moment.tzinfo is None:
                    problem = ValueError(f"{name!r} must be an aware moment, not {moment!r}")
                    raise self._stuck(recorded, problem)
                setattr(row, name, moment.astimezone(UTC))
        return row

    def _moved(self, row: R, key: Any) -> WiringError:
        return WiringError(
            f"{self.spec.where}: a handler changed the key of the row {key!r} to"
            f" {self._key_of(row)!r}. Delete the row, and let another make the new one"
        )

    def _new(self, key: Any) -> R:
        return self._make(key) if self._first else self._make(**{self.spec.key: key})

    def _way(self, handler: Handler) -> dict[str, _Way | None]:
        form = self._codec.form(handler.message)
        way = _Way(form.decode, key_finder(self.spec, handler), handler.function, form)
        return dict.fromkeys(form.message.words, way)

    def _unhandled(self, recorded: Recorded) -> None:
        """An event that the model does not fold; it must at least be known."""
        if recorded.type not in self._ways and self._codec.named(recorded.type) is None:
            raise Stuck(recorded.position, unknown_type(recorded))
        self._ways[recorded.type] = None

    def _own_key(self, id: str) -> Any:
        try:
            return msgspec.convert(id, self._key_type, strict=False)
        except msgspec.ValidationError:
            return None  # this stream stands for no row

    def _decoded(self, way: _Way, recorded: Recorded) -> tuple[Any, Any]:
        """The event, and what it says is its key."""
        try:
            event = way.decode(recorded.data)
        except (ValueError, TypeError) as error:
            failure = undecodable(recorded, way.form, error)
            raise Stuck(recorded.position, failure) from error
        try:
            return event, way.find(event)
        except Exception as error:
            raise self._stuck(recorded, error) from error

    def _keys(self, found: Any, recorded: Recorded) -> Sequence[Any]:
        if found is None:
            return ()
        try:
            return tuple(dict.fromkeys(msgspec.convert(_several(found), self._keys_type)))
        except Exception as error:
            raise self._stuck(recorded, error) from error

    def _stuck(self, recorded: Recorded, error: Exception) -> Stuck:
        failure = HandlerFailed(self.spec.name, recorded, error)
        failure.__cause__ = error
        return Stuck(recorded.position, failure)


def stream_key(recorded: Recorded) -> str:
    """What stands for the key of an event whose key is not known: its stream."""
    return f"stream:{recorded.stream}"


def _in(skipped: Skipped, key: Any, step: Step) -> bool:
    return (name_of(key), step[0].position) in skipped


def _as_kept(column: Column) -> Callable[[Any], Any] | None:
    """How a value comes back from a database, if that may be otherwise or must be another."""
    scalar = column.scalar
    if scalar is None:
        decode = msgspec.json.Decoder(column.hint, dec_hook=from_plain).decode
        return lambda value: decode(to_json(value))
    return scalar if scalar in (float, Decimal, bytes) or issubclass(scalar, Enum) else None


def _several(found: Any) -> list[Any]:
    several = isinstance(found, Iterable) and not isinstance(found, str | bytes)
    return list(found) if several else [found]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
