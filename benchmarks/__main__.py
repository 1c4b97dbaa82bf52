"""`python -m benchmarks`: measure, tell each figure as it comes, and print the tables.

With names (``commands_concurrent``, ``postgres.commands_concurrent`` ...) only those figures. The
folder for the databases should be on the kind of disk that matters: what is written to memory is
not durable. PostgreSQL is started with its data in a temporary folder (``TMPDIR``).
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.harness import PEER, Figure, Result, Work, measure
from whence.testing.postgres import PrivatePostgres

FIGURES = (
    "commands_concurrent",
    "commands_sequential",
    "commands_cpu",
    "replay",
    "whole_log",
    "catching_up",
    "rebuild",
    "verify",
    "live_rebuild",
    "why",
    "own_write",
    "memory",
    "append_rate",
    "append_rate_spread",
    "import_time",
)
POSTGRES_FIGURES = (
    "postgres.commands_concurrent",
    "postgres.commands_processes",
    "postgres.commands_sequential",
    "postgres.catching_up",
    "postgres.rebuild",
    "postgres.verify",
    "postgres.why",
    "postgres.local_reads",
    "postgres.append_to_handler",
    "postgres.workers",
    "postgres.workers_in_turns",
    "postgres.order",
)
_SETTINGS: dict[str, Any] = {
    "max_connections": 100,
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
}
"""That no checkpoint falls into a round; whatever has to do with durability is as it comes."""


def main(arguments: list[str]) -> None:
    """Run what ``arguments`` ask for."""
    options = _parser().parse_args(arguments)
    known = (*FIGURES, *POSTGRES_FIGURES)
    if unknown := set(options.names) - set(known):
        sys.exit(f"no figure is called {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="whence-", dir=options.folder.resolve()) as folder:
        work = Work(Path(folder), Path(folder), options.quick)
        _tell(options, list(_measured(_chosen(options, FIGURES), options, work)), work)
        if names := _chosen(options, POSTGRES_FIGURES):
            _on_postgres(names, options, work)


def _chosen(options: argparse.Namespace, figures: Sequence[str]) -> list[str]:
    return [name for name in figures if not options.names or name in options.names]


def _on_postgres(names: Sequence[str], options: argparse.Namespace, work: Work) -> None:
    """Measure on a server that lives as long as that takes."""
    try:
        server = PrivatePostgres(**_SETTINGS)
    except RuntimeError as error:
        sys.exit(f"{', '.join(names)}: {error}")
    with server:
        work = replace(work, server=server)
        _tell(options, list(_measured(names, options, work)), work)


def _tell(options: argparse.Namespace, results: Sequence[Result], work: Work) -> None:
    if results:
        about = machine.about(work.folder, work.server)
        print((report.as_json if options.json else report.table)(results, about), flush=True)


def _measured(names: Sequence[str], options: argparse.Namespace, work: Work) -> Iterator[Result]:
    without: set[str] = set() if find_spec("eventsourcing") and not options.no_peer else {PEER}
    for name in names:
        figure: Figure = import_module(f"benchmarks.{name}").FIGURE
        own = work.folder / name
        own.mkdir()
        rounds = options.rounds or (1 if options.quick else figure.rounds)
        result = measure(figure, replace(work, folder=own), rounds, without)
        shutil.rmtree(own)
        print(report.lines(result), file=sys.stderr, flush=True)
        yield result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures; default: all")
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    parser.add_argument("--quick", action="store_true", help="only see whether it still works")
    parser.add_argument("--rounds", type=int, help="instead of what each figure says")
    parser.add_argument("--no-peer", action="store_true", help="leave the peer out")
    parser.add_argument(
        "--folder", type=Path, default=Path("build"), help="for the databases; default: build"
    )
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
