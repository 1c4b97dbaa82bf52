"""The fingerprint of code and values: another one whenever they may mean something else."""
# pyright: reportUnusedClass=false, reportUnusedFunction=false

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from whence.fingerprints import fingerprint

RATE = 3


def rated(amount: int) -> int:
    return amount * RATE


def variants() -> dict[str, Callable[..., Any]]:
    def plain(self: Any, event: Any) -> None:
        self.n = event.n

    def other(self: Any, event: Any) -> None:
        self.n = event.n + 1

    def another_name(self: Any, event: Any) -> None:
        self.m = event.n

    def inner(self: Any, event: Any) -> None:
        self.n = [each for each in event.n if each != 2]

    def inner_other(self: Any, event: Any) -> None:
        self.n = [each for each in event.n if each != 3]

    def default(self: Any, event: Any, n: int = 2) -> None:
        self.n = event.n

    def helped(self: Any, event: Any) -> None:
        self.n = rated(event.n)

    return {name: value for name, value in locals().items() if callable(value)}


def test_functions_that_do_something_else_have_another_fingerprint() -> None:
    found = {fingerprint(function) for function in variants().values()}
    assert len(found) == len(variants())


def test_a_function_counts_by_what_it_does_not_by_where_it_stands() -> None:
    def plain(self: Any, event: Any) -> None:
        self.n = event.n

    assert fingerprint(plain) == fingerprint(variants()["plain"])


def test_the_constants_and_functions_that_it_uses_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(variants()["helped"])
    monkeypatch.setitem(globals(), "RATE", 4)
    assert fingerprint(variants()["helped"]) != before


def test_what_surrounds_it_counts() -> None:
    def made(rate: int) -> Callable[[int], int]:
        return lambda amount: amount * rate

    assert fingerprint(made(2)) != fingerprint(made(3))
    assert fingerprint(made(2)) == fingerprint(made(2))


class Colour(Enum):
    RED = 1
    BLUE = 2


@dataclass
class Money:
    amount: int
    kinds: frozenset[str]


class Opaque:
    pass


def test_values_count_by_what_they_are() -> None:
    assert fingerprint({"a": [1, (2, "x")]}) == fingerprint({"a": [1, (2, "x")]})
    assert fingerprint(1, 2) != fingerprint(12)
    assert fingerprint(Colour.RED) != fingerprint(Colour.BLUE)
    assert fingerprint(Money(1, frozenset("ab"))) != fingerprint(Money(1, frozenset("bc")))
    assert fingerprint(Opaque()) == fingerprint(Opaque())


def test_the_fingerprint_is_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from whence.fingerprints import fingerprint\n"
        "KINDS = frozenset({'a', 'b', 'c', 'd'})\n"
        "def fold(self, event):\n"
        "    self.n = event.kind in {'w', 'x', 'y', 'z'} and event.kind in KINDS\n"
        "class Opaque: pass\n"
        "print(fingerprint(fold, {'a', 'b', 'c'}, {'k': Opaque()}, [print, Opaque]))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, str(script)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1
