"""`python -m benchmarks`: measure, tell each figure as it comes, and print the table.

With names (``commands_concurrent`` ...) only those figures. The folder for the databases should
be on the kind of disk that matters: what is written to memory is not durable.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks import machine, report
from benchmarks.harness import PEER, Figure, Result, Work, measure

FIGURES = (
    "commands_concurrent",
    "commands_sequential",
    "commands_cpu",
    "replay",
    "whole_log",
    "catching_up",
    "own_write",
    "memory",
    "append_rate",
    "append_rate_spread",
    "import_time",
)


def main(arguments: list[str]) -> None:
    """Run what ``arguments`` ask for."""
    options = _parser().parse_args(arguments)
    unknown = set(options.names) - set(FIGURES)
    if unknown:
        sys.exit(f"no figure is called {', '.join(sorted(unknown))}; known: {', '.join(FIGURES)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="whence-", dir=options.folder.resolve()) as folder:
        results = list(_measured(options, Path(folder)))
        about = machine.about(Path(folder))
    print((report.as_json if options.json else report.table)(results, about))


def _measured(options: argparse.Namespace, folder: Path) -> Iterator[Result]:
    without: set[str] = set() if find_spec("eventsourcing") and not options.no_peer else {PEER}
    for name in options.names or FIGURES:
        figure: Figure = import_module(f"benchmarks.{name}").FIGURE
        own = folder / name
        own.mkdir()
        rounds = options.rounds or (1 if options.quick else figure.rounds)
        result = measure(figure, Work(own, folder, options.quick), rounds, without)
        shutil.rmtree(own)
        print(report.lines(result), file=sys.stderr, flush=True)
        yield result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures; default: all")
    parser.add_argument("--json", action="store_true", help="JSON instead of the table")
    parser.add_argument("--quick", action="store_true", help="only see whether it still works")
    parser.add_argument("--rounds", type=int, help="instead of what each figure says")
    parser.add_argument("--no-peer", action="store_true", help="leave the peer out")
    parser.add_argument(
        "--folder", type=Path, default=Path("build"), help="for the databases; default: build"
    )
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
