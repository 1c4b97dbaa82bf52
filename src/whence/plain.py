"""Values of any kind of class as JSON, and back: msgspec's work, and Pydantic's for its own."""

from typing import Any, Literal

import msgspec

from whence.messages import pydantic_validator


def to_plain(value: Any) -> Any:
    """What msgspec cannot write itself, in a form that it can: Pydantic models."""
    serializer = getattr(value, "__pydantic_serializer__", None)
    if serializer is None:
        raise TypeError(f"cannot store a {type(value).__name__}")
    return serializer.to_python(value, mode="json", by_alias=False, round_trip=True)


def from_plain(cls: type, value: Any) -> Any:
    """The reverse of `to_plain`."""
    validator = pydantic_validator(cls)
    if validator is None:
        raise TypeError(f"cannot read a {cls.__name__}")
    # By way of JSON: there a text may stand for a date even in a strict model.
    return validator.validate_json(to_json(value), by_alias=False, by_name=True)


def to_builtins(value: object, *, in_order: bool = False) -> Any:
    """``value`` as JSON-like dicts, lists and scalars, for output; ``in_order``: to compare."""
    order: Literal["deterministic"] | None = "deterministic" if in_order else None
    return msgspec.to_builtins(value, enc_hook=to_plain, str_keys=True, order=order)


to_json = msgspec.json.Encoder(enc_hook=to_plain).encode
"""A value as JSON text."""
