"""Choosing rows to be compared: a part of all of them, or a sample."""

from collections.abc import Callable
from hashlib import blake2b
from random import Random
from typing import Any

from whence.folds import NOTHING, Fold, Skipped, unstuck
from whence.slices import name_of
from whence.store import ALL, PAGE_EVENTS, EventStore, bare

Takes = Callable[[Any], bool]
"""Says of a key whether it is looked at."""

WORTH_IT = 20_000
"""Positions of a log from which on it is not read as a whole for a sample."""
MOST = 30.0
"""Percent from which on reading all of it is as quick."""


def sampled(percent: float, salt: int) -> Takes:
    """The keys of a sample: always the same ones for the same ``salt``."""
    if not 0 < percent <= 100:
        raise ValueError(f"a sample is more than 0 and at most 100 percent, not {percent}")
    most = percent / 100 * 2**32
    return lambda key: _number(key, salt) < most


def part(number: int, of: int) -> Takes | None:
    """One of several parts of all keys; None: all of them."""
    if of == 1:
        return None
    return lambda key: _number(key, 0) % of == number


async def found_at_places(
    store: EventStore,
    fold: Fold[Any],
    head: int,
    percent: float,
    salt: int,
    left_out: Skipped = NOTHING,
) -> list[Any]:
    """The keys that so many percent of the events concern: pages at places that chance picks."""
    chance, found = Random(salt), dict[Any, None]()
    for _ in range(round(head * percent / 100 / PAGE_EVENTS) or 1):
        after = chance.randrange(head)
        async for page in store.read(bare(ALL), after=after, limit=PAGE_EVENTS):
            with unstuck():
                steps = fold.reading(page.events, left_out)
            found |= dict.fromkeys(key for step in steps for key in step[3])
    return list(found)


def _number(key: Any, salt: int) -> int:
    """32 bits, others for each salt. Not those that slices go by: a sample is of all slices."""
    name = name_of(key).encode(errors="surrogatepass")
    return int.from_bytes(blake2b(name, digest_size=4, salt=salt.to_bytes(8)).digest())
