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
from copy import deepcopy
from functools import cached_property
from inspect import get_annotations
from typing import Any, ClassVar, Generic, NoReturn, TypeVar, get_type_hints

from msgspec import UNSET, UnsetType, defstruct

from whence.decider import Pairs, both_ways, yielded
from whence.errors import ChangedState, WiringError
from whence.handlers import Handler, collect, fingerprint
from whence.messages import place

A = TypeVar("A", bound="Aggregate")

_IMMUTABLE = (str, bytes, int, float, complex, bool, type(None), frozenset)


class Aggregate:
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
        if "__looking__" in cls.__dict__:
            return
        for taken in {"id", "version", "__slots__"} & cls.__dict__.keys():
            raise WiringError(f"{place(cls)}: {taken!r} is whence's own; call yours otherwise")
        cls.__behaviour__ = AggregateBehaviour(cls, id, category, commutes, snapshot_every)

    def __init__(self, id: str) -> None:
        self.id = id
        self.version = 0
        for name, value in self.__behaviour__.mutable.items():
            setattr(self, name, deepcopy(value))

    def __repr__(self) -> str:
        state = ", ".join(f"{name}={value!r}" for name, value in state_of(self).items())
        return f"<{type(self).__name__} {self.id} at version {self.version}: {state}>"


class AggregateBehaviour(Generic[A]):
    """An `Aggregate` class as the rest of whence sees it. See `whence.decider.Behaviour`."""

    def __init__(
        self, cls: type[A], id: str, category: str, commutes: Pairs, snapshot_every: int
    ) -> None:
        inherited = getattr(cls.__bases__[0], "__behaviour__", None)
        self.name: str = category or (inherited.name if inherited else snake_case(cls.__name__))
        self.id_field: str = id or (inherited.id_field if inherited else f"{self.name}_id")
        self.where: str = place(cls)
        self.deciders: Mapping[type, Handler] = collect(cls, "decide", "command")
        self.evolvers: Mapping[type, Handler] = collect(cls, "evolve", "event")
        self.commuting = both_ways(commutes) | (inherited.commuting if inherited else frozenset())
        self.mutable = {
            name: value
            for name, value in defaults(cls).items()
            if not isinstance(value, _IMMUTABLE)
        }
        self.snapshot_every = snapshot_every or (inherited.snapshot_every if inherited else 0)
        evolving = [handler.function for handler in self.evolvers.values()]
        self.shape: str = fingerprint(defaults(cls), _annotations(cls), *evolving)
        self._cls = cls
        self._looking = _looking(cls)
        self._evolve = {message: handler.function for message, handler in self.evolvers.items()}
        self._decide = {message: handler.function for message, handler in self.deciders.items()}
        if "-" in self.name or not self.name:
            raise WiringError(f"{self.where}: a category has no '-', as {self.name!r} has")

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
        look = object.__new__(self._looking)
        object.__setattr__(look, "__dict__", state.__dict__)
        events = self._decide[type(command)](look, command)
        for event in yielded(events, self.deciders[type(command)].where):
            decided.append(event)
            state.version += 1
            evolve = self._evolve.get(type(event))
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
        names = dict.fromkeys([*defaults(self._cls), *_annotations(self._cls)])
        fields = [(name, hints.get(name) or _guess(defaults(self._cls)[name])) for name in names]
        return defstruct(f"{self._cls.__name__}State", [(n, t | UnsetType, UNSET) for n, t in fields])

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


def defaults(cls: type) -> dict[str, Any]:
    """The class attributes that are state, with their values before anything has happened."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Aggregate) and base is not Aggregate:
            found |= {name: value for name, value in vars(base).items() if _is_state(name, value)}
    return found


def state_of(aggregate: Aggregate) -> dict[str, Any]:
    """What an aggregate remembers, without whence's own ``id`` and ``version``."""
    now = defaults(type(aggregate)) | vars(aggregate)
    return {name: value for name, value in now.items() if name not in ("id", "version")}


def _is_state(name: str, value: object) -> bool:
    dunder = name.startswith("__") and name.endswith("__")
    return not (dunder or callable(value) or hasattr(value, "__get__"))


def _annotations(cls: type) -> dict[str, str]:
    """Annotations as text: enough to see that they changed."""
    bases = (base for base in reversed(cls.__mro__) if base not in (object, Aggregate))
    return {name: str(hint) for base in bases for name, hint in get_annotations(base).items()}


def _looking(cls: type[A]) -> type[A]:
    """``cls`` with eyes but no hands: what a decision sees as ``self``.

    It shares the aggregate's dictionary, so that the fold pays nothing for the protection.
    """

    def refuse(self: object, name: str, value: object = None) -> NoReturn:
        raise ChangedState(cls.__name__, name)

    body = {
        "__looking__": True,
        "__setattr__": refuse,
        "__delattr__": refuse,
        "__module__": cls.__module__,
        "__doc__": cls.__doc__,
    }
    return type(cls)(cls.__name__, (cls,), body)
