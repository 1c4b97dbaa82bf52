"""Which type of column holds which type of value, so that what is read equals what was written."""

import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Dialect,
    Double,
    LargeBinary,
    Numeric,
    String,
    Text,
    Uuid,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

from whence.backends.sql import dialects
from whence.columns import Column
from whence.plain import from_plain, to_json

DECIMAL = "whence_decimal"
"""The collation that sorts text as numbers: SQLite has no exact ones."""

_PLAIN: dict[type, type[TypeEngine[Any]]] = {
    str: String,
    int: BigInteger,
    bool: Boolean,
    float: Double,
    bytes: LargeBinary,
    date: Date,
    UUID: Uuid,
}
_NUMERIC = 1700
"""PostgreSQL's number for its type ``numeric``."""
_BOUNDED = 255
"""MySQL needs a length for what it shall index."""

_KEY, _INDEXED = 500, 650
"""Characters that fit wherever keys are kept, and into an entry of PostgreSQL's indexes."""
_REMARK = 10_000
"""Characters of a remark that are kept: MySQL's text has a limit, and people have one, too."""


class Moment(TypeDecorator[datetime]):
    """An aware moment, read back in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite knows no time zones: there it is text that sorts as time does."""
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else self.impl_instance)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A decimal number, exact everywhere."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """SQLite knows floats only: there it is text that sorts as numbers do."""
        kind = String(collation=DECIMAL) if dialect.name == "sqlite" else Numeric()
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """To the database."""
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """From the database."""
        return Decimal(value) if isinstance(value, str) else value


class OneOf(TypeDecorator[Enum]):
    """A member of an Enum, kept as its value."""

    impl = String
    cache_ok = True

    def __init__(self, members: type[Enum]) -> None:
        super().__init__()
        self.members = members

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text or a whole number, as its values are."""
        text = all(isinstance(member.value, str) for member in self.members)
        return dialect.type_descriptor(_bounded() if text else BigInteger())

    def process_bind_param(self, value: Enum | None, dialect: Dialect) -> Any:
        """To the database."""
        return None if value is None else self.members(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> Enum | None:
        """From the database."""
        return None if value is None else self.members(value)


class Json(TypeDecorator[Any]):
    """Anything else, as JSON text."""

    impl = Text
    cache_ok = False

    def __init__(self, hint: Any) -> None:
        super().__init__()
        self._decode = msgspec.json.Decoder(hint, dec_hook=from_plain).decode

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else to_json(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the database."""
        return None if value is None else self._decode(value)


def sql_type(column: Column, *, key: bool = False) -> TypeEngine[Any]:
    """The SQLAlchemy type that holds ``column``."""
    scalar = column.scalar
    if scalar is None:
        return Json(column.hint)
    if issubclass(scalar, Enum):
        return OneOf(scalar)
    if scalar is datetime:
        return Moment()
    if scalar is Decimal:
        return Exact()
    return _bounded() if scalar is str and (key or column.indexed) else _PLAIN[scalar]()


def from_database(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What turns a driver's value into the column's; None: nothing has to be done.

    For numbers, SQLAlchemy also looks at the type that PostgreSQL says when a statement is run.
    Nobody knows that yet: floats need nothing, and decimals are what is left.
    """
    if isinstance(kind, Double):
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, _NUMERIC)


def remark(text: str) -> str:
    """``text`` as every database keeps it: what was said of an error may hold any character."""
    short = text if len(text) <= _REMARK else f"{text[:_REMARK]}..."
    return short.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def check_fits(column: Column, value: Any, dialect: Dialect, *, key: bool = False) -> None:
    """Raise ValueError if such a database cannot keep ``value`` in ``column``.

    Too slow to be asked of each row: it finds the one that a database has refused.
    """
    try:
        if value is None:
            if not column.nullable:
                raise ValueError("it is None, which its annotation does not allow")
        elif column.scalar is None:
            to_json(value)
        else:
            column.fitting(value if dialects.is_postgres(dialect) else _without_nul(value))
            if isinstance(value, str) and (key or column.indexed):
                _check_length(value, dialect, key=key)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise ValueError(f"{column.name} cannot be kept: {error}") from error


def _without_nul(value: Any) -> Any:
    """Only PostgreSQL has no place for it."""
    return value.replace("\0", "") if isinstance(value, str) else value


def _check_length(text: str, dialect: Dialect, *, key: bool) -> None:
    limit = _BOUNDED if dialects.is_mysql(dialect) else _KEY if key else _INDEXED
    if dialect.name != "sqlite" and len(text) > limit:
        raise ValueError(f"it has {len(text)} characters, and {limit} is the limit")


def search_type() -> TypeEngine[Any]:
    """The type of what `folded` makes: compared by code points, whatever the database's locale."""
    return (
        String()
        .with_variant(String(collation="C"), "postgresql")
        .with_variant(String(_BOUNDED, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def folded(text: str) -> str:
    """``text`` as searches see it: without case, and with one spelling of each character."""
    if text.isascii():
        return text.lower()
    # Twice: what has no small letter may be spelt with a character that has one (as U+210C is).
    spelt = unicodedata.normalize("NFKC", text.casefold())
    return unicodedata.normalize("NFKC", spelt.casefold())


def compare_decimals(one: str, other: str) -> int:
    """Sort text as the numbers that it stands for."""
    left, right = Decimal(one), Decimal(other)
    return (left > right) - (left < right)


def _bounded() -> TypeEngine[Any]:
    return String().with_variant(String(_BOUNDED), "mysql", "mariadb")
