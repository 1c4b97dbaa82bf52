"""Faults that would harm the tests themselves happen in a process of their own."""

import inspect
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

_RUN = """
import asyncio, runpy, sys
result = runpy.run_path(sys.argv[1])[sys.argv[2]](*sys.argv[3:])
if asyncio.iscoroutine(result):
    asyncio.run(result)
"""


@pytest.fixture
def alone() -> Callable[..., str]:
    """Runs a function of the test's own module with words, and returns what it prints."""
    return _alone


def _alone(
    work: Callable[..., object], *words: object, within: Sequence[str] = (), patience: float = 60
) -> str:
    command = [*within, sys.executable, "-c", _RUN, inspect.getfile(work), work.__name__]
    done = subprocess.run(
        [*command, *map(str, words)], capture_output=True, text=True, timeout=patience
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
