"""The results in words: a table for people, JSON for programs."""

import json
import platform
import sqlite3
from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.harness import WHENCE, Goal, Result, Surplus


def lines(result: Result) -> str:
    """One line for each side of a figure, with how whence compares and whether that is enough."""
    told = [" ".join([_value(result, side), *_compared(result, side)]) for side in result.samples]
    return "\n".join([f"{result.figure.title} ({result.seconds:.0f} s)", *told])


def as_json(results: Sequence[Result]) -> str:
    """Everything that was measured, with the machine's versions."""
    about = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.platform(),
    }
    return json.dumps({"about": about, "figures": [_document(one) for one in results]}, indent=2)


def _value(result: Result, side: str) -> str:
    text = f"  {side:16} {result.value(side) or 0:14,.1f} {result.figure.unit:14}"
    cpu = result.cpu(side)
    return text if cpu is None else f"{text} cpu {cpu:9.1f} us"


def _compared(result: Result, side: str) -> Iterator[str]:
    """How a side of whence's compares with each goal."""
    for goal, ratios in _ratios(result, side):
        middle = median(ratios)
        verdict = "met" if goal.met(middle) else "missed"
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        yield f"| {middle:.2f} ({spread}) of {goal.against}, {goal}: {verdict}"


def _ratios(result: Result, side: str) -> Iterator[tuple[Goal | Surplus, list[float]]]:
    if side.startswith(WHENCE):
        for goal in result.figure.goals:
            if ratios := result.compared(goal, side):
                yield goal, ratios


def _document(result: Result) -> dict[str, object]:
    sides = {
        side: {
            "median": result.value(side),
            "cpu_microseconds": result.cpu(side),
            "rounds": [sample.value for sample in samples],
            "compared": {
                goal.against: {"median": median(ratios), "goal": str(goal)}
                for goal, ratios in _ratios(result, side)
            },
        }
        for side, samples in result.samples.items()
    }
    return {"name": result.figure.name, "unit": result.figure.unit, "sides": sides}
