"""A person at a terminal, who types `whence ...` and sees what it answers."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from whence.cli.process import run

PROGRAM = (sys.executable, "-m", "whence")


@dataclass(frozen=True)
class Answer:
    """What a command line led to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on the standard output."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON Lines on the standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The error as programs are told it."""
        found = json.loads(self.err)["error"]
        assert found["exit"] == self.code
        return found


class Terminal:
    """Types commands in one folder: most in this process, which is quick."""

    def __init__(
        self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.folder = folder
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str, code: int = 0, given: str = "") -> Answer:
        """Type a command; ``given`` is on its standard input, ``code`` what it ends with."""
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "stdin", StringIO(given))
        done, said = run(words), self._capsys.readouterr()
        answer = Answer(done, said.out, said.err)
        assert answer.code == code, answer
        return answer

    def process(self, *words: str, code: int = 0) -> Answer:
        """Type a command that gets a process of its own, and wait for its end."""
        done = subprocess.run(
            [*PROGRAM, *words], capture_output=True, text=True, timeout=60, env=person()
        )
        answer = Answer(done.returncode, done.stdout, done.stderr)
        assert answer.code == code, answer
        return answer

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Type a command that goes on until somebody stops it."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=person(),
        )


def person() -> dict[str, str]:
    """The environment of a process."""
    return {n: v for n, v in os.environ.items() if not n.startswith(("PYTEST_", "COV_"))}


def stop(process: subprocess.Popen[str], number: int = signal.SIGINT) -> Answer:
    """Send a signal to what was started; its answer after that, without what was read before."""
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return Answer(process.returncode, out, err)


def shape(document: Any) -> Any:
    """The keys of a document, which stay the same, and the kinds of its values, which may not."""
    if isinstance(document, dict):
        return {str(key): shape(value) for key, value in document.items()}  # pyright: ignore
    if isinstance(document, list):
        return [shape(one) for one in document[:1]]  # pyright: ignore
    return type(document).__name__


def save(folder: Path, name: str, lines: Sequence[str] | str) -> Path:
    """Write a file there."""
    path = folder / name
    path.write_text(lines if isinstance(lines, str) else "\n".join(lines) + "\n")
    return path
