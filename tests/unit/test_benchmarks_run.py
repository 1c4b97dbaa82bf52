"""The benchmarks run: every figure at a tiny size, once. How fast they are is not looked at.

The peer is left out, since nothing but `make bench` installs it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import machine, report
from benchmarks.__main__ import FIGURES, main
from benchmarks.harness import (
    FLOOR,
    PEER,
    WHENCE,
    Figure,
    Goal,
    Limit,
    Result,
    Round,
    Sample,
    Side,
    Surplus,
    Work,
    measure,
)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_runs(name: str, tmp_path: Path) -> None:
    figure: Figure = import_module(f"benchmarks.{name}").FIGURE
    assert figure.name == name
    result = measure(figure, Work(tmp_path, tmp_path, quick=True), 1, {PEER})
    for side in set(figure.sides) - {PEER}:
        assert (result.value(side) or 0) > 0, side


def test_every_figure_is_compared_with_something_that_is_measured() -> None:
    for name in FIGURES:
        figure: Figure = import_module(f"benchmarks.{name}").FIGURE
        assert {goal.against for goal in figure.goals} <= set(figure.sides), name
        assert figure.goals, name
        assert figure.rounds >= 5, name


def test_an_unknown_figure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no figure is called speed; known: commands_concurrent"):
        main(["speed", "--folder", str(tmp_path)])


def saying(*values: float, log: list[str] | None = None, name: str = "") -> Side:
    """A side whose rounds say ``values``."""

    @contextmanager
    def side(work: Work) -> Generator[Round]:
        told = iter(values)

        def one_round() -> Sample:
            if log is not None:
                log.append(name)
            return Sample(next(told), 7.0)

        yield one_round

    return side


def measured(tmp_path: Path, figure: Figure, without: set[str] | None = None) -> Result:
    return measure(figure, Work(tmp_path, tmp_path), figure.rounds, without or set())


def test_the_sides_take_turns(tmp_path: Path) -> None:
    log: list[str] = []
    sides = {n: saying(1, 1, 1, log=log, name=n) for n in "abc"}
    measured(tmp_path, Figure("x", "x", "x", sides, (), rounds=3))
    assert "".join(log) == "abcbcacab"


def test_a_goal_compares_round_by_round(tmp_path: Path) -> None:
    sides = {WHENCE: saying(10, 30, 20), FLOOR: saying(10, 10, 40), PEER: saying(1, 1, 1)}
    figure = Figure("x", "x", "x/s", sides, (Goal(FLOOR, 1.5), Goal(PEER, 20)), rounds=3)
    result = measured(tmp_path, figure)
    assert result.compared(figure.goals[0]) == [0.5, 1.0, 3.0]
    table = report.table([result], {"python": "3.11"})
    assert "* python: 3.11" in table
    told = "| x | whence | 20.00 x/s | 7 µs | 1.00 of floor (0.50 to 3.00) | at least 1.5 times |"
    assert f"{told} missed |" in table
    assert "|  |  |  |  | 20.00 of peer (10.00 to 30.00) | at least 20 times | met |" in table


def test_less_is_better_where_a_figure_says_so(tmp_path: Path) -> None:
    sides = {WHENCE: saying(10), FLOOR: saying(4), PEER: saying(50)}
    goals = Goal(PEER, 5), Surplus(FLOOR, 5)
    result = measured(tmp_path, Figure("x", "x", "ms", sides, goals, "less", rounds=1))
    assert [result.compared(goal) for goal in goals] == [[5.0], [6.0]]
    told = report.lines(result)
    assert "5.00 of peer (5.00 to 5.00), at least 5 times: met" in told
    assert "6.00 of floor (6.00 to 6.00), at most 5 more: missed" in told


def test_a_limit_is_compared_with_nothing(tmp_path: Path) -> None:
    figure = Figure("x", "x", "ms", {WHENCE: saying(10, 30, 20)}, (Limit(15),), "less", rounds=3)
    told = report.lines(measured(tmp_path, figure))
    assert "| 20.00 (10.00 to 30.00), at most 15: missed" in told


def test_a_side_that_is_left_out_is_not_compared(tmp_path: Path) -> None:
    sides = {WHENCE: saying(10), PEER: saying(1)}
    figure = Figure("x", "x", "x/s", sides, (Goal(PEER, 5),), rounds=1)
    result = measured(tmp_path, figure, {PEER})
    assert result.value(PEER) is None
    assert "peer" not in report.lines(result)


def test_the_machine_is_described(tmp_path: Path) -> None:
    about = machine.about(tmp_path)
    assert set(about) >= {"machine", "disk", "python", "sqlite", "msgspec"}
    assert all(about.values())
