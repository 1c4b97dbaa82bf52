"""The results in words: lines for people, a table for the README, JSON for programs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.harness import WHENCE, Comparison, Limit, Result

HEAD = ("figure", "side", "median", "processor", "compared", "goal", "")


def lines(result: Result) -> str:
    """One line for each side of a figure, with how whence compares and whether that is enough."""
    told = [" ".join([_line(result, side), *_verdicts(result, side)]) for side in result.samples]
    return "\n".join([f"{result.figure.title} ({result.seconds:.0f} s)", *told])


def table(results: Sequence[Result], about: Mapping[str, str]) -> str:
    """The same as a table in Markdown, with what it was measured on."""
    rows = [HEAD, tuple("---" for _ in HEAD)]
    rows += [row for result in results for row in _rows(result)]
    facts = "\n".join(f"* {name}: {value}" for name, value in about.items())
    return facts + "\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)


def as_json(results: Sequence[Result], about: Mapping[str, str]) -> str:
    """Everything that was measured, round by round."""
    document = {"about": about, "figures": [_document(one) for one in results]}
    return json.dumps(document, indent=2)


def _line(result: Result, side: str) -> str:
    text = f"  {side:20} {_value(result, side):>12} {result.figure.unit:10}"
    cpu = result.cpu(side)
    return text if cpu is None else f"{text} cpu {cpu:9.1f} µs"


def _verdicts(result: Result, side: str) -> Iterator[str]:
    for goal, ratios in _ratios(result, side):
        yield f"| {_compared(goal, ratios)}, {goal}: {_verdict(goal, ratios)}"


def _rows(result: Result) -> Iterator[tuple[str, ...]]:
    """A row for each side, and one more for each further goal."""
    for side in result.samples:
        cpu = result.cpu(side)
        value = f"{_value(result, side)} {result.figure.unit}"
        own = (
            result.figure.title if side == WHENCE else "",
            side,
            value,
            "" if cpu is None else f"{cpu:,.0f} µs",
        )
        for goal, ratios in _ratios(result, side):
            yield *own, _compared(goal, ratios), str(goal), _verdict(goal, ratios)
            own = ("", "", "", "")
        if own[1]:
            yield *own, "", "", ""


def _value(result: Result, side: str) -> str:
    value = result.value(side) or 0
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _compared(goal: Comparison, ratios: Sequence[float]) -> str:
    """The median, and the spread of the rounds."""
    of = "" if isinstance(goal, Limit) else f" of {goal.against}"
    return f"{median(ratios):.2f}{of} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _verdict(goal: Comparison, ratios: Sequence[float]) -> str:
    return "met" if goal.met(median(ratios)) else "missed"


def _ratios(result: Result, side: str) -> Iterator[tuple[Comparison, list[float]]]:
    """How a side of whence's compares with each goal."""
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
                goal.against: {
                    "median": median(ratios),
                    "goal": str(goal),
                    "met": goal.met(median(ratios)),
                }
                for goal, ratios in _ratios(result, side)
            },
        }
        for side, samples in result.samples.items()
    }
    return {"name": result.figure.name, "unit": result.figure.unit, "sides": sides}
