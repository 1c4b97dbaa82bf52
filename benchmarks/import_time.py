"""`import whence`, beside a Python that imports nothing: each a process of its own.

The peer is ``import eventsourcing.application``, which an application needs at least.
All is compiled before, as it is after an installation, whatever the environment says.
"""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from benchmarks.harness import (
    FLOOR,
    PEER,
    WHENCE,
    Figure,
    Round,
    Sample,
    Side,
    Stopwatch,
    Surplus,
    Work,
)


def _importing(statement: str) -> Side:
    @contextmanager
    def side(work: Work) -> Generator[Round]:
        command = [sys.executable, "-c", statement]
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(work.folder)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(command, check=True, env=environment)

        def one_round() -> Sample:
            with Stopwatch() as watch:
                subprocess.run(command, check=True, env=environment)
            return Sample(watch.wall * 1e3)

        yield one_round

    return side


FIGURE = Figure(
    "import_time",
    "import whence",
    "ms",
    {
        WHENCE: _importing("import whence"),
        FLOOR: _importing("pass"),
        PEER: _importing("import eventsourcing.application"),
    },
    (Surplus(FLOOR, 150),),
    better="less",
    rounds=15,
)
