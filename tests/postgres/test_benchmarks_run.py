"""The benchmarks on PostgreSQL run: every figure at a tiny size, once, without the peer."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import POSTGRES_FIGURES, main
from benchmarks.harness import PEER, Figure, Work, measure
from whence.testing import postgres as testing
from whence.testing.postgres import PostgresServer


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the logs are noted that all figures share."""
    folder = tmp_path_factory.mktemp("shared")
    yield folder
    for url in folder.iterdir():
        postgres.drop_database(url.read_text())


@pytest.mark.parametrize("name", POSTGRES_FIGURES)
def test_a_figure_runs(name: str, postgres: PostgresServer, shared: Path, tmp_path: Path) -> None:
    figure: Figure = import_module(f"benchmarks.{name}").FIGURE
    assert figure.name == name
    assert figure.goals
    assert {goal.against for goal in figure.goals} <= set(figure.sides)
    result = measure(figure, Work(tmp_path, shared, quick=True, server=postgres), 1, {PEER})
    for side in set(figure.sides) - {PEER}:
        assert (result.value(side) or 0) > 0, side


def test_without_a_postgresql_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(testing, "installations", list)
    with pytest.raises(
        SystemExit, match=r"postgres\.workers: PostgreSQL is not installed.*apt-get"
    ):
        main(["postgres.workers", "--folder", str(tmp_path)])
