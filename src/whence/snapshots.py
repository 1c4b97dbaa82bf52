"""Snapshots: states saved so that a long stream need not be read from its beginning.

Only ever a cache. A snapshot carries a hash of the state's shape and of the fold that made it,
and is thrown away when the code has changed; losing all of them costs time, nothing else.
"""

import logging
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

import msgspec

from whence.decider import Behaviour
from whence.plain import from_plain, to_plain

S = TypeVar("S")

_log = logging.getLogger("whence")
_unfit: set[str] = set()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of one stream as it was at one version."""

    version: int
    position: int
    """Of the last event that it has seen."""
    shape: str
    """Of the state and the fold, as `Behaviour.shape` says."""
    state: bytes


class Snapshots(Protocol):
    """Keeps the latest snapshot of each stream."""

    async def load(self, stream: str, shape: str) -> Snapshot | None:
        """The snapshot of ``stream``, if there is one and it has this ``shape``."""
        ...

    async def save(self, stream: str, snapshot: Snapshot) -> None:
        """Keep ``snapshot`` in place of an older one. May be lost."""
        ...


def freeze(behaviour: Behaviour[S], state: S, version: int, position: int) -> Snapshot | None:
    """``state`` as a snapshot; None, with one warning, if it would not come back as it is."""
    try:
        dumped = behaviour.dump(state)
        data = msgspec.json.encode(dumped, enc_hook=to_plain)
        if _same(_read(behaviour, data), dumped):
            return Snapshot(version, position, behaviour.shape, data)
        problem = "it comes back changed"
    except Exception as error:  # the events are stored: a cache that fails must not say otherwise
        problem = str(error)
    if behaviour.where not in _unfit:
        _unfit.add(behaviour.where)
        _log.warning(
            "%s cannot be saved as a snapshot (%s): declare every attribute in the class body,"
            " with its full type",
            behaviour.where,
            problem,
        )
    return None


def thaw(behaviour: Behaviour[S], id: str, snapshot: Snapshot) -> S | None:
    """The state that ``snapshot`` holds; None if it cannot be read, as if there were none."""
    try:
        return behaviour.restore(id, _read(behaviour, snapshot.state))
    except Exception as error:
        _log.warning("the snapshot of %s %s is passed over: %s", behaviour.name, id, error)
        return None


def _read(behaviour: Behaviour[Any], data: bytes) -> Any:
    return msgspec.json.decode(data, type=behaviour.state_type, dec_hook=from_plain)


def _same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down: 1 is not True, a tuple is no list."""
    if type(one) is not type(other):
        return False
    if isinstance(one, msgspec.Struct):
        return all(_same(getattr(one, n), getattr(other, n)) for n in one.__struct_fields__)
    if isinstance(one, dict):
        keys = cast(dict[object, object], one)
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in keys)
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
