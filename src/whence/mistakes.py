"""Where the code of an application went wrong: its own lines of a traceback."""

import os
import traceback
from pathlib import Path
from typing import NamedTuple

_NOT_THEIRS = ("<", str(Path(__file__).parent), str(Path(os.__file__).parent))
"""How files begin that are no application's: what is frozen, whence, Python's own library."""
_INSTALLED = ("site-packages", "dist-packages")


class Line(NamedTuple):
    """A line of code."""

    where: str
    """File and number."""
    text: str


def kind_and_text(error: BaseException) -> str:
    """``error`` in a line, as in ``KeyError: 'x'``."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def kind_and_place(error: BaseException) -> str:
    """The same, and the line of the application that raised it, if one is known."""
    lines = lines_of(error)
    return kind_and_text(error) + (f" at {lines[-1].where}" if lines else "")


def lines_of(error: BaseException) -> list[Line]:
    """The application's lines that led to ``error``, the outermost first; empty: none did."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        Line(f"{frame.filename}:{frame.lineno}", frame.line or "")
        for frame in frames
        if _is_theirs(frame.filename)
    ]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append(Line(f"{error.filename}:{error.lineno}", (error.text or "").strip()))
    return lines


def _is_theirs(file: str) -> bool:
    return not file.startswith(_NOT_THEIRS) and not any(part in file for part in _INSTALLED)
