"""What can be stored and comes back as it was: judged at start by class, later by value.

No class library promises that alone: msgspec writes a NaN as null and skips the validators of a
nested Pydantic dataclass, and Pydantic reads neither Structs nor attrs classes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, cast, get_args

import msgspec

from whence.errors import WiringError
from whence.messages import MessageType, pydantic_validator

_NO_KEYS = (
    msgspec.inspect.BoolType,
    msgspec.inspect.NoneType,
    msgspec.inspect.CollectionType,
    msgspec.inspect.TupleType,
    msgspec.inspect.NamedTupleType,
    msgspec.inspect.DictType,
    msgspec.inspect.DataclassType,
    msgspec.inspect.StructType,
)


def check_storable(message: MessageType) -> bool:
    """Raise `WiringError` unless every field can be written and read back.

    True: what msgspec reads must still be `validated`.
    """
    if pydantic_validator(message.cls) is not None:
        for cls in _not_for_pydantic(getattr(message.cls, "__pydantic_core_schema__", None)):
            raise WiringError(
                f"{message}: Pydantic cannot read the {cls.__name__} in it:"
                f" make {message.cls.__name__} a dataclass, or {cls.__name__} a Pydantic model"
            )
        return False
    validate = False
    for field in message.fields:
        for mark in _unheeded(field.type):
            raise WiringError(
                f"{message}: field {field.name}: nobody heeds {mark!r} there:"
                " say it with msgspec.Meta, or make the class Pydantic's"
            )
        try:
            msgspec.json.Decoder(field.type)
            classes = list(_classes(msgspec.inspect.type_info(field.type), set()))
        except (TypeError, NameError) as error:
            raise WiringError(f"{message}: field {field.name}: {error}") from error
        for cls, known in classes:
            if pydantic_validator(cls) is not None:
                validate |= known
            elif not known:
                raise WiringError(
                    f"{message}: field {field.name}: {cls.__name__} cannot be stored;"
                    " make it a dataclass, msgspec Struct, attrs class or Pydantic model"
                )
    try:
        msgspec.json.Decoder(message.cls)
    except TypeError as error:
        raise WiringError(f"{message}: {error}") from error
    return validate


def _classes(info: Any, seen: set[type]) -> Iterator[tuple[type, bool]]:
    """The classes inside ``info``, and whether msgspec knows how to read each.

    Raises TypeError for a dict whose keys no JSON can hold.
    """
    if isinstance(info, msgspec.inspect.DictType) and isinstance(info.key_type, _NO_KEYS):
        raise TypeError("the keys of a dict are texts, numbers, dates or the like")
    cls = getattr(info, "cls", None)
    if cls in seen or not isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)):
        return
    if cls is not None:
        seen.add(cls)
        yield cls, not isinstance(info, msgspec.inspect.CustomType)
    for name in info.__struct_fields__:
        part = getattr(info, name)
        for inner in cast(tuple[object, ...], part) if isinstance(part, tuple) else (part,):
            yield from _classes(inner, seen)


def _unheeded(hint: Any) -> Iterator[object]:
    """The constraints in ``hint`` that are Pydantic's way of saying, not msgspec's."""
    for mark in getattr(hint, "__metadata__", ()):
        if type(mark).__module__.partition(".")[0] in ("annotated_types", "pydantic"):
            yield mark
    for inner in get_args(hint):
        yield from _unheeded(inner)


def _not_for_pydantic(schema: Any) -> Iterator[type]:
    """The classes inside a Pydantic schema that Pydantic takes, but cannot make."""
    if isinstance(schema, dict):
        known = cast(dict[str, Any], schema)
        cls = known.get("cls") if known.get("type") == "is-instance" else None
        if hasattr(cls, "__struct_fields__") or hasattr(cls, "__attrs_attrs__"):
            yield cast(type, cls)
        for inner in known.values():
            yield from _not_for_pydantic(inner)
    elif isinstance(schema, (list, tuple)):
        for inner in cast(Iterable[Any], schema):
            yield from _not_for_pydantic(inner)


_SERIES = frozenset[type]({list, tuple, set, frozenset})


def validated(value: Any) -> Any:
    """``value`` with every Pydantic dataclass in it made by Pydantic. Raises ValueError."""
    kind = cast(Any, type(value))
    if kind in _SERIES:
        return kind(map(validated, value))
    if kind is dict:
        return {validated(key): validated(one) for key, one in value.items()}
    if hasattr(kind, "_fields"):  # a tuple with names
        return kind(*map(validated, value))
    validator = pydantic_validator(kind)
    if validator is not None and not is_dataclass(kind):
        return value  # Pydantic has made it, and all that is in it
    inside = {name: validated(getattr(value, name)) for name in field_names(kind)}
    if validator is not None:
        # msgspec takes what Pydantic notes about a field for its default: let Pydantic fill it in.
        given = {f.name: inside[f.name] for f in fields(kind) if inside[f.name] is not f.default}
        return validator.validate_python(given, by_alias=False, by_name=True)
    for name, one in inside.items():
        if isinstance(value, msgspec.Struct):
            msgspec.structs.force_setattr(value, name, one)
        else:
            object.__setattr__(value, name, one)
    return value


def same(one: Any, other: Any) -> bool:
    """Equal; by fields where a class does not say what equal means."""
    if one == other:
        return True
    kind = cast(Any, type(one))
    if kind is not type(other):
        return False
    if kind is datetime:
        # A time that a zone's clocks show twice equals nothing, even itself in another zone.
        return bool(one.isoformat() == other.isoformat())
    if kind is dict:
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if issubclass(kind, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    names = field_names(kind)
    return bool(names) and all(same(getattr(one, name), getattr(other, name)) for name in names)


def field_names(kind: Any) -> tuple[str, ...]:
    """The names of the fields of a class that a message is, or is made of; else none."""
    if pydantic_validator(kind) is not None:
        return tuple(kind.__pydantic_fields__)
    if hasattr(kind, "__attrs_attrs__"):
        return tuple(attribute.name for attribute in kind.__attrs_attrs__)
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    return getattr(kind, "__struct_fields__", ())
