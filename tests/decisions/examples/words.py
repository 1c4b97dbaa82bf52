"""The official examples of https://dcb.events, with its words, as decisions over several things.

Two of them are put right: the opt-in token's expiry, which its published test never reaches, and
the boundary of a single product's price, which is published without its tag. Here is what
several of them need.
"""

from datetime import datetime, timedelta
from hashlib import sha256

from whence.clock import ManualClock

NOW = ManualClock().now()


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


def hashed(username: str) -> str:
    """Tags are not secret, and ``jamesbond`` is ``JamesBond``."""
    return sha256(username.lower().encode()).hexdigest()
