"""Text that is safe to show: stored content is anybody's, and a terminal obeys what it reads."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

MOST_SHOWN = 1_000
"""Characters of one payload that people are shown; ``--json`` shows all."""

# Control characters (also those that start with 0x80), what turns the direction of writing,
# line separators, and halves of surrogate pairs.
_HARMFUL = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_cells = re.compile(f"[{_HARMFUL}]")
_lines = re.compile(f"[{_HARMFUL}]".replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))
_in_json = re.compile(f"[{_HARMFUL}]".replace("\x00-\x1f", ""))


def clean(text: str) -> str:
    """``text`` on one line, with every character that could do harm made visible."""
    return _cells.sub(_visible, text)


def clean_lines(text: str) -> str:
    """``text`` with its line breaks, and otherwise like `clean`."""
    return _lines.sub(_visible, text)


def shorten(text: str, most: int = MOST_SHOWN) -> str:
    """At most ``most`` characters of ``text``, and how many were left out."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… ({len(text) - most:,} more characters: --json shows all)"


def to_json(value: Any, *, indent: int = 0) -> str:
    """``value`` as JSON that is safe to show; on one line unless ``indent`` is given."""
    data = msgspec.json.encode(value)
    if indent:
        data = msgspec.json.format(data, indent=indent)
    return _in_json.sub(_escaped, data.decode())


def cell(value: Any) -> str:
    """A value as people are shown it in a table."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else to_json(value)
    return shorten(clean(text))


def moment(value: datetime) -> str:
    """A time, in UTC, to the millisecond."""
    utc = value.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03}Z"


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url)


def plural(count: int, noun: str) -> str:
    """``1 event``, ``1,234 events``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
