"""`Evolving`: a class whose attributes are state, as aggregates and decision models are.

Class attributes are the state before anything has happened. Each instance gets its own copy of
those that could be changed in place. A decision looks at it through `looking_at`, with eyes but no
hands; the fold itself pays nothing for that protection.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from inspect import get_annotations
from types import new_class
from typing import Any, ClassVar, NoReturn, TypeVar

from whence.errors import ChangedState, WiringError
from whence.messages import place

E = TypeVar("E", bound="Evolving")

_CONSTANT = re.compile(r"(\w+\.)?(ClassVar|Final)\b")
_IMMUTABLE = (str, bytes, int, float, complex, bool, type(None), frozenset)


class Evolving:
    """A class whose attributes are state."""

    __own__: ClassVar[frozenset[str]] = frozenset()
    """Attributes that whence sets; given by whence's own bases, which hold no user's state."""
    __mutable__: ClassVar[Mapping[str, Any]] = {}
    __looking__: ClassVar[type[Any]]

    def __init_subclass__(cls, *, looking: bool = False, **options: Any) -> None:
        super().__init_subclass__(**options)
        if looking or "__own__" in cls.__dict__:
            return
        for taken in sorted((cls.__own__ | {"__slots__"}) & cls.__dict__.keys()):
            raise WiringError(f"{place(cls)}: {taken!r} is whence's own; call yours otherwise")
        initial = defaults(cls).items()
        cls.__mutable__ = {n: value for n, value in initial if not isinstance(value, _IMMUTABLE)}
        cls.__looking__ = _looking(cls)

    def __init__(self) -> None:
        for name, value in self.__mutable__.items():
            setattr(self, name, deepcopy(value))


def looking_at(state: E) -> E:
    """``state`` as a decision sees it: it shares all attributes, and refuses to set any."""
    view: E = object.__new__(state.__looking__)
    object.__setattr__(view, "__dict__", state.__dict__)
    return view


def defaults(cls: type) -> dict[str, Any]:
    """The class attributes that are state, with their values before anything has happened."""
    found: dict[str, Any] = {}
    for base in _bases(cls):
        hints = get_annotations(base)
        for name, value in vars(base).items():
            if _is_state(name, value) and not _is_constant(hints.get(name)):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def annotations(cls: type) -> dict[str, str]:
    """Annotations of the state as text: enough to see that they changed."""
    bases = (get_annotations(base) for base in _bases(cls))
    hints = {name: hint for found in bases for name, hint in found.items()}
    return {name: str(hint) for name, hint in hints.items() if not _is_constant(hint)}


def state_of(evolving: Evolving) -> dict[str, Any]:
    """What an object remembers, without what whence set."""
    now = defaults(type(evolving)) | vars(evolving)
    return {name: value for name, value in now.items() if name not in evolving.__own__}


def _bases(cls: type) -> list[type]:
    """The classes that a user wrote, the most general first."""
    return [
        base
        for base in reversed(cls.__mro__)
        if "__own__" not in vars(base) and base.__module__ not in ("builtins", "typing", "abc")
    ]


def _is_state(name: str, value: object) -> bool:
    of_python = (name.startswith("__") and name.endswith("__")) or name.startswith("_abc_")
    return not (of_python or callable(value) or hasattr(value, "__get__"))


def _is_constant(hint: object) -> bool:
    """Whether an annotation says that what it stands for never changes."""
    return _CONSTANT.match(str(hint)) is not None


def _looking(cls: type) -> type:
    """A class with the methods of ``cls`` whose instances refuse every assignment."""

    def refuse(self: object, name: str, value: object = None) -> NoReturn:
        raise ChangedState(cls.__name__, name)

    def body(namespace: dict[str, Any]) -> None:
        namespace |= {"__setattr__": refuse, "__delattr__": refuse}
        namespace |= {"__module__": cls.__module__, "__qualname__": cls.__qualname__}

    return new_class(cls.__name__, (cls,), {"looking": True}, body)
