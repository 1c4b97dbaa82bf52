"""Values as parameters in the server's binary form.

Written by hand, since the types are known beforehand: the driver would look at every value of
every array to choose one, and prepare a statement anew whenever it chose differently.
"""

from collections.abc import Iterable, Sequence
from itertools import repeat
from struct import pack

Value = bytes | None

_BOOL, _BYTEA, _BIGINT, _INTEGER, _TEXT = 16, 17, 20, 23, 25
_NULL = b"\xff\xff\xff\xff"


def text(value: str) -> bytes:
    """A ``text``."""
    return value.encode()


def bigint(value: int) -> bytes:
    """A ``bigint``."""
    return value.to_bytes(8, signed=True)


def texts(values: Iterable[str | None]) -> bytes:
    """A ``text[]``."""
    return _array(_TEXT, [None if value is None else value.encode() for value in values])


def byteas(values: Sequence[bytes]) -> bytes:
    """A ``bytea[]``."""
    return _array(_BYTEA, values)


def bigints(values: Sequence[int]) -> bytes:
    """A ``bigint[]``."""
    return _numbers(_BIGINT, 8, "q", values)


def integers(values: Sequence[int]) -> bytes:
    """An ``integer[]``."""
    return _numbers(_INTEGER, 4, "i", values)


def booleans(values: Sequence[bool]) -> bytes:
    """A ``boolean[]``."""
    return _numbers(_BOOL, 1, "?", values)


def _head(kind: int, length: int, *, nulls: bool = False) -> bytes:
    if not length:
        return pack(">iii", 0, 0, kind)
    return pack(">iiiii", 1, nulls, kind, length, 1)


def _array(kind: int, values: Sequence[Value]) -> bytes:
    parts = [_head(kind, len(values), nulls=None in values)]
    for value in values:
        if value is None:
            parts.append(_NULL)
        else:
            parts.append(len(value).to_bytes(4))
            parts.append(value)
    return b"".join(parts)


def _numbers(kind: int, size: int, form: str, values: Sequence[int]) -> bytes:
    pairs = [part for pair in zip(repeat(size), values, strict=False) for part in pair]
    return _head(kind, len(values)) + pack(f">{f'i{form}' * len(values)}", *pairs)
