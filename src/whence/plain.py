"""Values of any kind of class as JSON, and back: msgspec's work, and Pydantic's for its own."""

import re
from typing import Any, Literal

import msgspec

from whence.messages import pydantic_validator

_GOT = re.compile("got `[a-z]+`")
_EXAMPLES = {
    "Invalid RFC3339 encoded datetime": "2026-11-01T19:30:00Z",
    "Invalid RFC3339 encoded date": "2026-11-01",
    "Invalid RFC3339 encoded time": "19:30:00",
}
"""What msgspec says of what is no time, and what is one."""


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


def from_outside(value: Any, hint: Any, *, strict: bool = False) -> Any:
    """``value`` as what ``hint`` says. Raises ValueError or TypeError.

    Not ``strict``: text from forms and command lines may stand for numbers and the like.
    """
    try:
        return msgspec.convert(value, hint, strict=strict, dec_hook=from_plain)
    except msgspec.ValidationError as error:
        said = str(error)
        if said in _EXAMPLES:
            said += f", as in {_EXAMPLES[said]}"
        is_text = isinstance(value, str) and not strict
        raise ValueError(naming(value, said) if is_text else said) from error


def naming(value: Any, problem: str) -> str:
    """``problem`` with ``value`` itself: msgspec calls every text a `str`, and NaN a `null`."""
    return _GOT.sub(lambda _: f"got {value!r}", problem)


def to_builtins(value: object, *, in_order: bool = False) -> Any:
    """``value`` as JSON-like dicts, lists and scalars, for output; ``in_order``: to compare."""
    order: Literal["deterministic"] | None = "deterministic" if in_order else None
    return msgspec.to_builtins(value, enc_hook=to_plain, str_keys=True, order=order)


to_json = msgspec.json.Encoder(enc_hook=to_plain).encode
"""A value as JSON text."""
