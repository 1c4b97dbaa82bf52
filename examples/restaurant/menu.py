"""The menu: what can be ordered, and for how much. Prices are in cents."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from whence import Rejected

DISHES: Mapping[str, int] = {
    "soup": 650,
    "salad": 780,
    "pasta": 1240,
    "trout": 1890,
    "steak": 2450,
    "ice cream": 560,
}


class Line(Struct, frozen=True, array_like=True):
    """One thing that was ordered, at its price of that moment."""

    name: str
    price: int


def priced(names: Iterable[str], menu: Mapping[str, int]) -> list[Line]:
    """A line for each of ``names``. Raises `Rejected` for what is not on the ``menu``."""
    ordered = list(names)
    for name in ordered:
        if name not in menu:
            raise Rejected(f"There is no {name} on the menu")
    return [Line(name, menu[name]) for name in ordered]


def total(lines: Iterable[Line]) -> int:
    """What ``lines`` cost together."""
    return sum(line.price for line in lines)
