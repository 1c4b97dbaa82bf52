"""`Aggregate`: the write model of one thing. It decides on commands and evolves by events.

Class attributes are its state before anything has happened::

    class Account(Aggregate):
        balance = 0

        @decide
        def withdraw(self, command: WithdrawMoney):
            if command.amount > self.balance:
                raise Rejected("Insufficient funds")
            yield MoneyWithdrawn(command.account_id, command.amount)

        @evolve
        def _(self, event: MoneyWithdrawn):
            self.balance -= event.amount
"""

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar, cast, get_type_hints

from msgspec import UNSET, UnsetType, defstruct

from whence.decider import Pairs, both_ways, check_category, layout, words, yielded
from whence.evolving import Evolving, annotations, defaults, looking_at, state_of
from whence.fingerprints import fingerprint
from whence.handlers import Handler, check_roles, collect, helpers
from whence.messages import place

A = TypeVar("A", bound="Aggregate")


class Aggregate(Evolving):
    """The write model of one thing: behaviour, nothing to query.

    ``class Account(Aggregate)`` lives in streams ``account-<id>``; the id is read from the
    commands' field ``account_id``. ``class Account(Aggregate, id="number", category="acct")``
    names others. ``commutes`` lists pairs of event types whose order does not matter;
    ``snapshot_every`` saves the state whenever so many events have been added (0: never).
    """

    id: str
    """Which one it is. Set by whence."""
    version: int
    """How many events it has seen: 0 is "not there yet". Set by whence."""

    __own__: ClassVar = frozenset({"id", "version"})
    __behaviour__: ClassVar["AggregateBehaviour[Any]"]

    def __init_subclass__(
        cls,
        *,
        id: str = "",
        category: str = "",
        commutes: Pairs = (),
        snapshot_every: int = 0,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        if not options.get("looking"):
            check_roles(cls, "decide", "evolve")
            cls.__behaviour__ = AggregateBehaviour(cls, id, category, commutes, snapshot_every)

    def __init__(self, id: str) -> None:
        super().__init__()
        self.id = id
        self.version = 0

    def __repr__(self) -> str:
        state = ", ".join(f"{name}={value!r}" for name, value in state_of(self).items())
        return f"<{type(self).__name__} {self.id} at version {self.version}: {state}>"


class AggregateBehaviour(Generic[A]):
    """An `Aggregate` class as the rest of whence sees it. See `whence.decider.Behaviour`."""

    def __init__(
        self, cls: type[A], id: str, category: str, commutes: Pairs, snapshot_every: int
    ) -> None:
        inherited: AggregateBehaviour[Any] | None = getattr(cls, "__behaviour__", None)
        self.name: str = category or (inherited.name if inherited else snake_case(cls.__name__))
        self.id_field: str = id or (inherited.id_field if inherited else f"{self.name}_id")
        self.deciders: Mapping[type, Handler] = collect(cls, "decide", "command")
        self.evolvers: Mapping[type, Handler] = collect(cls, "evolve", "event")
        self.commuting: frozenset[tuple[type, type]] = both_ways(commutes) | (
            inherited.commuting if inherited else both_ways(())
        )
        self.snapshot_every: int = snapshot_every or (inherited.snapshot_every if inherited else 0)
        self._cls = cls
        self._evolve = {message: handler.function for message, handler in self.evolvers.items()}
        self._decide = {message: handler.function for message, handler in self.deciders.items()}
        check_category(self)

    @property
    def where(self) -> str:
        """See `Behaviour.where`."""
        return place(self._cls)

    @property
    def shape(self) -> str:
        """See `Behaviour.shape`."""
        return self._shape

    @cached_property
    def _shape(self) -> str:
        cls, folds = self._cls, [handler.function for handler in self.evolvers.values()]
        state = (defaults(cls), annotations(cls), *layout(self.state_type))
        return fingerprint(*words(self.evolvers), *folds, *helpers(cls), *state)

    def initial(self, id: str) -> A:
        """See `Behaviour.initial`."""
        return self._cls(id)

    def fold(self, state: A, events: Iterable[object]) -> A:
        """See `Behaviour.fold`."""
        evolve = self._evolve
        for event in events:
            evolve[type(event)](state, event)
        return state

    def decide(self, state: A, command: object, decided: list[object]) -> A:
        """See `Behaviour.decide`. What is yielded is applied at once: a later step sees it."""
        events = self._decide[type(command)](looking_at(state), command)
        for event in yielded(events, self.deciders[type(command)].where):
            decided.append(event)
            state.version += 1
            evolve = self._evolve.get(cast(type, type(event)))
            if evolve is not None:
                evolve(state, event)
        return state

    def mark(self, state: A, version: int) -> None:
        """See `Behaviour.mark`."""
        state.version = version

    @cached_property
    def state_type(self) -> Any:
        """See `Behaviour.state_type`: the annotated types, else those of the class attributes."""
        hints = get_type_hints(self._cls, include_extras=True)
        names = dict.fromkeys([*defaults(self._cls), *annotations(self._cls)])
        fields = [(name, hints.get(name) or _guess(defaults(self._cls)[name])) for name in names]
        return defstruct("State", [(name, hint | UnsetType, UNSET) for name, hint in fields])

    def dump(self, state: A) -> object:
        """See `Behaviour.dump`."""
        return self.state_type(**state_of(state))

    def restore(self, id: str, dumped: Any) -> A:
        """See `Behaviour.restore`."""
        state = self._cls(id)
        for name in dumped.__struct_fields__:
            if (value := getattr(dumped, name)) is not UNSET:
                setattr(state, name, value)
        return state


def _guess(value: object) -> Any:
    """The type of an attribute that has no annotation."""
    return type(value) if isinstance(value, (bool, int, str, float, bytes)) else Any


def behaviour_of(cls: type[A]) -> AggregateBehaviour[A]:
    """How ``cls`` is folded and decided."""
    return cls.__behaviour__


def snake_case(name: str) -> str:
    """``GuestTable`` as ``guest_table``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
