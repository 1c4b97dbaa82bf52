"""Paths as text: git's are bytes and may hold anything, what we keep is Unicode on one line.

A path is itself, unless it is no UTF-8 or holds a quote, a backslash or a control character:
then it is quoted as git does it, ``"tab\\there"``. So no two paths are written the same, and
what begins with a quote is quoted.
"""

import re

_ESCAPES = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_BYTES = {letter: byte for byte, letter in _ESCAPES.items()}
_ODD = re.compile(r'[\x00-\x1f"\\\x7f]')
_ESCAPED = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')


def quoted(path: bytes) -> str:
    """``path`` as we write it."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return f'"{"".join(_escaped(byte) for byte in path)}"'
    if not _ODD.search(text):
        return text
    return f'"{_ODD.sub(lambda odd: _escaped(ord(odd[0])), text)}"'


def unquoted(text: str) -> bytes:
    """The path that we write as ``text``."""
    if not text.startswith('"'):
        return text.encode()
    return _ESCAPED.sub(lambda escape: _unescaped(escape[1]), text[1:-1].encode())


def _escaped(byte: int) -> str:
    if byte in _ESCAPES:
        return f"\\{_ESCAPES[byte]}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def _unescaped(escape: bytes) -> bytes:
    return bytes([int(escape, 8) if len(escape) == 3 else _BYTES[escape.decode()]])
