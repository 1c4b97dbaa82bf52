"""`Finding`: what was looked at, and whether it is well. `whence doctor` collects them."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["fine", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    level: Level
    """A note is worth knowing and may pass by itself; a problem needs somebody."""
    says: str
    remedy: str = ""
    """What to do about it."""
