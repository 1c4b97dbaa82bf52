"""Columns of read models: what may stand in a row, and what is text, a number or JSON there."""

import types
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import msgspec

from whence.errors import WiringError
from whence.messages import place
from whence.plain import from_plain

SCALARS = (str, int, float, bool, bytes, datetime, date, Decimal, UUID)
"""What has a column type of its own. Everything else is kept as JSON text."""


@dataclass(frozen=True, slots=True)
class Index:
    """Marks a column that is looked up often: ``owner: Annotated[str, Index()]``.

    Text with an index can also be searched by how it starts, whatever its case
    (`whence.queries.Rows.starting_with`).
    """


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a read model."""

    name: str
    hint: Any
    """As annotated, without ``Annotated`` and ``None``."""
    scalar: type[object] | None
    """One of `SCALARS`, or an Enum; None: it is kept as JSON text."""
    nullable: bool = False
    indexed: bool = False

    @property
    def searchable(self) -> bool:
        """Whether rows can be found by how its text starts."""
        return self.indexed and self.scalar is str

    def fitting(self, value: Any) -> Any:
        """``value`` as rows have it here. Raises ValueError for what no row can have."""
        if value is None or self.scalar is None:
            return value
        made = msgspec.convert(value, self.hint)
        if isinstance(made, datetime) and made.tzinfo is None:
            raise ValueError(f"{made.isoformat()} needs a time zone")
        if isinstance(made, int) and not -(2**63) <= made < 2**63:
            raise ValueError(f"{made} is more than a database keeps")
        if isinstance(made, str) and ("\0" in made or not _is_text(made)):
            raise ValueError(f"{made!r} is no text that a database keeps")
        return made


VERSION = Column("version", int, int)
"""The column that all read models have."""


def column_of(cls: type, name: str, hint: Any) -> Column:
    """The column that the field ``name`` of a read model becomes. Raises `WiringError`."""
    plain, marks, nullable = stripped(hint)
    scalar = scalar_of(plain)
    if scalar is None:
        try:
            msgspec.json.Decoder(plain, dec_hook=from_plain)
        except TypeError as error:
            raise WiringError(f"{place(cls)}: field {name}: {error}") from error
    return Column(name, plain, scalar, nullable, any(isinstance(mark, Index) for mark in marks))


def stripped(hint: Any) -> tuple[Any, list[Any], bool]:
    """``hint`` without what stands around it: its marks, and whether None is allowed."""
    marks: list[Any] = []
    nullable = False
    while True:
        origin, parts = get_origin(hint), get_args(hint)
        if origin is Annotated:
            hint, marks = parts[0], [*marks, *parts[1:]]
        elif origin in (Union, types.UnionType) and types.NoneType in parts:
            others = tuple(part for part in parts if part is not types.NoneType)
            hint, nullable = Union[others], True  # noqa: UP007
        elif hasattr(hint, "__supertype__"):  # NewType
            hint = hint.__supertype__
        else:
            return hint, marks, nullable


def scalar_of(hint: Any) -> type[object] | None:
    """One of `SCALARS`, or an Enum, if that is what ``hint`` allows; else None."""
    if get_origin(hint) is Literal:
        return _one_of(get_args(hint))
    if not isinstance(hint, type):
        return None
    if issubclass(hint, Enum):
        return hint if _one_of([member.value for member in hint]) else None
    return hint if hint in SCALARS else None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _one_of(values: Iterable[object]) -> type[object] | None:
    """The type of ``values`` if they are all text or all whole numbers."""
    return next((one for one in (str, int) if all(type(value) is one for value in values)), None)
