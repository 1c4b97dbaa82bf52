"""Objects to bytes and back: plain JSON, whatever kind of class a message is.

Dataclasses, msgspec Structs and attrs classes go through msgspec, Pydantic's through Pydantic's
own validator. The stored form is tied to no class library. Messages from outside are read
strictly: every bad field is named. What would not come back as it is, is not stored.
"""

import types
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import Annotated, Any, NewType, Union, get_args, get_origin

import msgspec

from whence.errors import Invalid, Unstorable
from whence.messages import Field, MessageType, place, pydantic_validator
from whence.plain import from_outside, from_plain, naming, to_json
from whence.storable import check_storable, field_names, same, validated

Decode = Callable[[bytes], Any]


class Form:
    """How one class of messages is written, read, converted and checked.

    Raises `WiringError` if there is a field that cannot be written and read back.
    """

    def __init__(self, message: MessageType) -> None:
        self.message = message
        self.name, self.word = message.name, message.word
        self.cls = message.cls
        self._validator = pydantic_validator(self.cls)
        self._validate = check_storable(message)
        self.encode: Callable[[Any], bytes]
        self.decode: Decode
        if self._validator is not None:
            write = self.cls.__pydantic_serializer__.to_json  # type: ignore[attr-defined]
            self.encode = partial(write, by_alias=False, round_trip=True)
            self.decode = partial(self._validator.validate_json, by_alias=False, by_name=True)
        else:
            self.encode = to_json
            self.decode = _decoder(self.cls, self._validate)
        self._fields = [_FieldForm(field, self._validate) for field in message.fields]
        self._values = _values_of([field.name for field in self._fields])
        self._right: tuple[type, ...] = ()  # the classes of the latest that looked right
        self._simple = (
            self._validator is None
            and not hasattr(self.cls, "__post_init__")
            and len(self._fields) == len(field_names(self.cls))
        )
        self._tags = [(f.name, f.tag) for f in message.fields if f.tag]

    def tags(self, event: object) -> tuple[str, ...]:
        """The tags that the event's fields declare."""
        if not self._tags:
            return ()
        found = (tag for name, mark in self._tags for tag in mark.of(getattr(event, name)))
        return tuple(dict.fromkeys(found))

    def keep(self, event: object) -> bytes:
        """What `encode` says. Raises `Unstorable` if ``event`` would not come back as it is."""
        try:
            data = self.encode(event)
            if (self._simple and self._looks_right(event)) or same(self.decode(data), event):
                return data
        except _MISFITS as error:
            raise self._unstorable(event, str(error)) from error
        raise self._unstorable(event, f"it would come back as {self.decode(data)!r}")

    def check(self, message: object) -> None:
        """Raise `Invalid`, naming every bad field, unless each fits its annotation."""
        if self._validator is None and not self._looks_right(message):
            found = {f.name: f.problem(getattr(message, f.name)) for f in self._fields}
            if bad := {name: problem for name, problem in found.items() if problem}:
                raise Invalid(self.message.name, bad)

    def convert(self, values: Mapping[str, Any], *, strict: bool = False) -> Any:
        """Make a message from outside values. Raises `Invalid` with every bad field at once.

        Not ``strict``: text from forms and command lines may stand for numbers and the like.
        """
        known = {field.name for field in self._fields}
        bad = {name: "no such field" for name in values if name not in known}
        make = self._from_fields if self._validator is None else self._from_pydantic
        made = make(values, strict, bad)
        if bad:
            raise Invalid(self.message.name, bad)
        return made

    def _looks_right(self, message: object) -> bool:
        """Whether every field is of a class that needs no closer look."""
        classes = tuple(map(type, self._values(message)))
        if classes != self._right:
            for field, cls in zip(self._fields, classes, strict=True):
                if cls not in field.exact:
                    return False
            self._right = classes
        return True

    def _from_fields(self, values: Mapping[str, Any], strict: bool, bad: dict[str, str]) -> Any:
        good: dict[str, Any] = {}
        for field in self._fields:
            if field.name in values:
                try:
                    good[field.name] = field.convert(values[field.name], strict)
                except (ValueError, TypeError) as error:
                    bad[field.name] = _told(error)
            elif field.required:
                bad[field.name] = "is missing"
        if bad:
            return None
        try:
            return self.cls(**good)
        except (ValueError, TypeError) as error:  # its own validators, or its __post_init__
            bad["message"] = str(error)

    def _from_pydantic(self, values: Mapping[str, Any], strict: bool, bad: dict[str, str]) -> Any:
        assert self._validator is not None
        try:
            # JSON knows no dates or ids: strictness about types is for Pydantic's own settings.
            return self._validator.validate_python(dict(values), by_alias=False, by_name=True)
        except ValueError as error:
            bad |= _problems(error)

    def _unstorable(self, event: object, reason: str) -> Unstorable:
        return Unstorable(
            f"{_shown(event)} cannot be stored: {reason}. Its class is {place(self.cls)}:"
            " what a decision yields must fit the annotations there. Nothing was stored"
        )


class _FieldForm:
    """How one field of a message is converted and checked."""

    def __init__(self, field: Field, validate: bool) -> None:
        self.name, self.required = field.name, field.required
        self.exact = _exact(field.type)
        self._type, self._validate = field.type, validate
        self._decode: Decode = _decoder(field.type, validate)

    def problem(self, value: Any) -> str | None:
        """What is wrong with ``value`` here; None: it would come back from storage as it is."""
        if type(value) in self.exact:
            return None
        try:
            if same(self._decode(to_json(value)), value):
                return None
        except _MISFITS as error:
            return naming(value, _told(error)) if isinstance(value, float) else _told(error)
        return f"Expected `{_name(self._type)}`, got `{type(value).__name__}`"

    def convert(self, value: Any, strict: bool) -> Any:
        """``value`` from outside as what the annotation says. Raises ValueError or TypeError."""
        made = from_outside(value, self._type, strict=strict)
        return validated(made) if self._validate else made


_MISFITS = (ValueError, TypeError, ArithmeticError, RecursionError)
"""What is said of a value that is not as it should be: too deep, or a number that is none."""


def _shown(message: object) -> str:
    """``message`` as Python writes it, if it can."""
    try:
        return repr(message)
    except (ValueError, RecursionError):  # an endless number, or nested too deep
        return f"a {type(message).__name__}"


def _problems(error: Any) -> dict[str, str]:
    """The bad fields that a Pydantic error names."""
    found: list[dict[str, Any]] = error.errors()
    return {".".join(map(str, one["loc"])) or "message": one["msg"] for one in found}


def _told(error: Exception) -> str:
    """What is wrong, on one line."""
    if not hasattr(error, "errors"):
        return str(error)
    return "; ".join(f"{where}: {problem}" for where, problem in _problems(error).items())


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _values_of(names: list[str]) -> Callable[[object], Iterable[object]]:
    """What gives the values of the attributes called so."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda message: [getattr(message, name) for name in names]


def _decoder(hint: Any, validate: bool) -> Decode:
    decode: Decode = msgspec.json.Decoder(hint, dec_hook=from_plain).decode
    return (lambda data: validated(decode(data))) if validate else decode


def _exact(hint: Any) -> frozenset[type]:
    """The classes whose instances fit ``hint`` without a closer look; empty: always look."""
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_exact(part) for part in get_args(hint)]
        return frozenset[type]().union(*parts) if all(parts) else frozenset()
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        return frozenset() if any(isinstance(m, msgspec.Meta) for m in marks) else _exact(inner)
    if isinstance(hint, NewType):
        return _exact(hint.__supertype__)
    # No float: a NaN or an infinity is one, and JSON has neither.
    return frozenset({hint}) if hint in _PLAIN else frozenset()


_PLAIN = (str, int, bool, bytes, type(None))
