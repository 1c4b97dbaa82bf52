"""Cursors: the place where a page of rows ends, as text that may go out to a browser and back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from whence.plain import from_plain, to_json
from whence.readmodels import ReadModelSpec

_decode = msgspec.json.Decoder(tuple[list[str], list[Any]]).decode


def closed(order: Sequence[str], row: Any) -> str:
    """The cursor of a page in this order that ends with ``row``."""
    values = [_plain(getattr(row, name.removeprefix("-"))) for name in order]
    return urlsafe_b64encode(to_json([order, values])).decode()


def opened(
    cursor: str | None, order: Sequence[str], spec: ReadModelSpec[Any]
) -> tuple[object, ...]:
    """The values of the last row before the page that ``cursor`` asks for; None: the first page.

    Whoever had it in hand may have changed it: raises ValueError unless it fits the order and
    the columns.
    """
    if cursor is None:
        return ()
    try:
        made_for, plain = _decode(urlsafe_b64decode(cursor.encode()))
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{cursor!r} is no cursor") from error
    if made_for != list(order) or len(plain) != len(order):
        raise ValueError(f"the cursor was made for the order {made_for}, not {list(order)}")
    try:
        return tuple(_value(spec, name, value) for name, value in zip(order, plain, strict=True))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{cursor!r} is no cursor: {error}") from error


def _plain(value: Any) -> Any:
    """A float as text: JSON has no infinity."""
    return repr(value) if isinstance(value, float) else value


def _value(spec: ReadModelSpec[Any], name: str, plain: Any) -> Any:
    """What ``plain``, out of JSON, stands for in the column ``name``."""
    column = spec.column(name.removeprefix("-"))
    if plain is None:
        if column.nullable:
            return None
        raise ValueError(f"{column.name} is never None")
    if column.scalar is None:
        return msgspec.convert(plain, column.hint, dec_hook=from_plain)
    return column.fitting(float(plain) if column.scalar is float else plain)
