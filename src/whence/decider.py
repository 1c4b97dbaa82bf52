"""The whole business logic of one kind of stream, as pure functions.

A `Decider` is that logic as free functions, an `Aggregate` the same as a class. The rest of
whence sees both as a `Behaviour`: fold past events into a state, decide a command on it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from types import GeneratorType
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from whence.errors import WiringError
from whence.fingerprints import fingerprint
from whence.handlers import Handler, annotated, written_at
from whence.messages import describe, registered

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")

Pairs = Iterable[tuple[type, type]]


class Behaviour(Protocol[S]):
    """How one kind of stream is folded and decided. Holds no state of its own."""

    name: str
    """The category: its streams are called ``<name>-<id>``."""
    id_field: str
    """The field of each of its commands that holds the id."""
    deciders: Mapping[type, Handler]
    """Who decides each type of command."""
    evolvers: Mapping[type, Handler]
    """Who folds each type of event. Other events of the stream change nothing."""
    commuting: frozenset[tuple[type, type]]
    """Pairs of event types whose order does not matter."""
    snapshot_every: int
    """Save a snapshot whenever so many events have been added; 0: never."""

    @property
    def where(self) -> str:
        """File and line, for errors."""
        ...

    @property
    def shape(self) -> str:
        """A hash that changes whenever a stored state may no longer mean the same."""
        ...

    @property
    def state_type(self) -> Any:
        """What a snapshot holds, as a type that msgspec can write and read."""
        ...

    def initial(self, id: str) -> S:
        """Return the state before anything has happened."""
        ...

    def fold(self, state: S, events: Iterable[object]) -> S:
        """Return the state after ``events``, all of types in ``evolvers``. May reuse ``state``."""
        ...

    def decide(self, state: S, command: object, decided: list[object]) -> S:
        """Add what happens to ``decided`` and return the state after it.

        If it raises after adding events, ``state`` may have been changed and is of no more use.
        """
        ...

    def mark(self, state: S, version: int) -> None:
        """Tell ``state`` how many events it has seen, if it wants to know."""
        ...

    def dump(self, state: S) -> object:
        """Return ``state`` as a ``state_type``. Raises TypeError if that cannot be."""
        ...

    def restore(self, id: str, dumped: Any) -> S:
        """Return the state that was dumped."""
        ...


@dataclass(frozen=True, eq=False)
class Decider(Generic[C, S, E]):
    """The logic of a stream as two functions: what happens, and what that means.

    Neither looks at a clock, a database or the network: whatever they need arrives in the
    command. Which commands and events they know is read from their annotations (unions).
    The streams are called ``<name>-<id>``; the id is read from the commands' field ``<name>_id``,
    unless ``id`` names another. ``commutes`` and ``snapshot_every`` are as for an `Aggregate`.
    """

    name: str
    initial: S
    decide: Callable[[C, S], Iterable[E]]
    evolve: Callable[[S, E], S]
    id: str = ""
    commutes: Pairs = ()
    snapshot_every: int = 0

    def fold(self, events: Iterable[E]) -> S:
        """Return the state after ``events``."""
        state = deepcopy(self.initial)
        for event in events:
            state = self.evolve(state, event)
        return state


class DeciderBehaviour(Generic[S]):
    """A `Decider` as the rest of whence sees it."""

    def __init__(self, decider: Decider[Any, S, Any]) -> None:
        self.name = decider.name
        self.id_field = decider.id or f"{decider.name}_id"
        self.where = written_at(decider.decide)
        self.deciders: Mapping[type, Handler] = annotated(
            decider.decide, 0, "command", "decide function"
        )
        self.evolvers: Mapping[type, Handler] = annotated(
            decider.evolve, 1, "event", "evolve function"
        )
        self.commuting = both_ways(decider.commutes)
        self.snapshot_every = decider.snapshot_every
        self._decider = decider
        check_category(self)

    @property
    def shape(self) -> str:
        """See `Behaviour.shape`."""
        return self._shape

    @cached_property
    def _shape(self) -> str:
        initial, evolve = self._decider.initial, self._decider.evolve
        return fingerprint(initial, evolve, *words(self.evolvers), *layout(self.state_type))

    @property
    def state_type(self) -> Any:
        """See `Behaviour.state_type`."""
        return type(self._decider.initial)

    def initial(self, id: str) -> S:
        """See `Behaviour.initial`."""
        return deepcopy(self._decider.initial)

    def fold(self, state: S, events: Iterable[object]) -> S:
        """See `Behaviour.fold`."""
        evolve = self._decider.evolve
        for event in events:
            state = evolve(state, event)
        return state

    def decide(self, state: S, command: object, decided: list[object]) -> S:
        """See `Behaviour.decide`."""
        events = list(yielded(self._decider.decide(command, state), self.where))
        decided += events
        return self.fold(state, (event for event in events if type(event) in self.evolvers))

    def mark(self, state: S, version: int) -> None:
        """See `Behaviour.mark`. The state of a `Decider` is all the user's."""

    def dump(self, state: S) -> object:
        """See `Behaviour.dump`."""
        return state

    def restore(self, id: str, dumped: Any) -> S:
        """See `Behaviour.restore`."""
        return cast(S, dumped)


def both_ways(pairs: Pairs) -> frozenset[tuple[type, type]]:
    """``pairs`` and their mirror images: commuting has no direction."""
    return frozenset(pair for one, other in pairs for pair in ((one, other), (other, one)))


def check_category(behaviour: Behaviour[Any]) -> None:
    """Raise `WiringError` if streams cannot be called ``<name>-<id>``."""
    if "-" in behaviour.name or not behaviour.name:
        raise WiringError(
            f"{behaviour.where}: streams are called <category>-<id>, so a category is not empty"
            f" and has no '-': {behaviour.name!r} cannot be one"
        )


def words(evolvers: Mapping[type, Handler]) -> list[str]:
    """What the folded events are called in a store, with whose code folds which."""
    return [word for event in evolvers for word in describe(event).words]


_MODULE = re.compile(r"(?<=<class ')[^'>]*\.")


def layout(state_type: Any) -> Iterator[str]:
    """What a state is made of, all the way down, as far as msgspec and Pydantic can tell."""
    try:
        # By their names, not by their modules: these are others when a file is run as a script.
        yield _MODULE.sub("", repr(msgspec.inspect.type_info(state_type)))
    except (TypeError, NameError):
        yield repr(state_type)  # no snapshot fits it


def yielded(events: object, where: str) -> Iterable[object]:
    """``events`` as a decision gave them. Raises `WiringError` for None and for a lone event."""
    if isinstance(events, (GeneratorType, list, tuple)):
        return cast(Iterable[object], events)
    if events is None:
        raise WiringError(f"{where}: a decision yields events or returns a list, not None")
    if registered(type(events)) is not None or not isinstance(events, Iterable):
        raise WiringError(
            f"{where}: a decision yields events or returns a list of them,"
            f" not one {type(events).__name__}"
        )
    return cast(Iterable[object], events)
