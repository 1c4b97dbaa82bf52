"""Reads a Markdown page as a person would: saves its files, runs its Python, types its commands.

A page is a session in a fresh folder. Of its fenced blocks,

* ``python`` or ``toml`` that begins with ``# name.py`` (or the like) is saved under that name;
* other ``python`` is run, all blocks in one namespace, and may ``await``;
* ``text`` after a block of Python that was run is what that block prints;
* ``console`` holds commands, each after ``$ ``, and what they print.

A page with the comment ``<!-- read in a copy of: examples -->`` begins with that folder's files.
In what is printed, ``...`` stands for anything. Everything else is not looked at.
"""

import ast
import asyncio
import inspect
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass, replace
from doctest import DONT_ACCEPT_BLANKLINE, ELLIPSIS, OutputChecker
from importlib import invalidate_caches
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory
from types import ModuleType

_ROOT = Path(__file__).parents[1]
_MADE = ignore_patterns("__pycache__", "*.db*")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COPY = re.compile(r"<!-- read in a copy of: (\S+) -->")
_FILE = re.compile(r"# (\S+\.(?:py|toml))\n")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and where it stands."""

    language: str
    source: str
    start: int
    end: int
    line: int
    """Of its first line of code."""
    printed: str | None = None
    """What the page says that it prints."""

    @property
    def file(self) -> str | None:
        """Under which name the reader is to save it."""
        found = _FILE.match(self.source) if self.language in ("python", "toml") else None
        return found[1] if found else None


def blocks(text: str) -> list[Block]:
    """The blocks of a page that its reader would do something with."""
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        block = Block(match[1], match[2], match.start(), match.end(), line)
        if block.language == "text" and found and _is_run(found[-1]):
            found[-1] = replace(found[-1], printed=block.source)
        elif block.language in ("python", "console") or block.file:
            found.append(block)
    return found


def _is_run(block: Block) -> bool:
    return block.language == "python" and block.file is None and block.printed is None


class Page:
    """One reading of one page."""

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        self.path = path
        self._made = TemporaryDirectory(prefix="page-") if folder is None else None
        self.folder = Path(self._made.name) if self._made else folder or Path()
        self._runner = asyncio.Runner()
        # A real module: the annotations of the page's classes are looked up in it.
        self._module = ModuleType(f"page_{id(self)}")
        self._hidden: dict[str, ModuleType | None] = {}
        sys.modules[self._module.__name__] = self._module
        sys.path.insert(0, str(self.folder))
        if found := _COPY.search(path.read_text()):
            copytree(_ROOT / found[1], self.folder, ignore=_MADE, dirs_exist_ok=True)

    def close(self) -> None:
        """Forget everything that the page made."""
        self._runner.close()
        sys.path.remove(str(self.folder))
        for name, module in self._hidden.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
        del sys.modules[self._module.__name__]
        if self._made:
            self._made.cleanup()

    def do(self, block: Block) -> None:
        """Do what the reader of ``block`` would; raise AssertionError for other results."""
        if block.file:
            self._save(block.file, block.source)
        elif block.language == "python":
            self._run(block)
        else:
            for command, printed in _commands(block.source):
                self._type(command, printed)

    def read(self) -> None:
        """Do the whole page."""
        for block in blocks(self.path.read_text()):
            self.do(block)

    def _save(self, file: str, source: str) -> None:
        (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / file).write_text(source)
        name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        # Others may have imported a module of this name: it is theirs, and theirs again later.
        self._hidden.setdefault(name, sys.modules.pop(name, None))
        invalidate_caches()

    def _run(self, block: Block) -> None:
        source = "\n" * (block.line - 1) + block.source
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(source, str(self.path), "exec", flags, dont_inherit=True)
        with chdir(self.folder), redirect_stdout(io.StringIO()) as out:
            result = eval(code, self._module.__dict__)
            if inspect.iscoroutine(result):
                self._runner.run(result)
        if block.printed is not None:
            _compare(f"line {block.line}", block.printed, out.getvalue())

    def _type(self, command: str, printed: str) -> None:
        found = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
        )
        _compare(f"$ {command}", printed, found.stdout)


def _environment() -> dict[str, str]:
    """That of a person who has this Python and nothing set."""
    kept = {
        n: v for n, v in os.environ.items() if not n.startswith(("WHENCE_", "PYTEST_", "COV_"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return kept | {"PATH": path, "COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}


def _commands(source: str) -> Iterator[tuple[str, str]]:
    """Each command, and what it prints."""
    for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        lines = part.split("\n")
        count = next(n for n, line in enumerate(lines, 1) if not line.endswith("\\"))
        yield "\n".join(lines[:count]), "\n".join(lines[count:])


def _compare(what: str, expected: str, printed: str) -> None:
    wanted, got = _lines(expected), _lines(printed)
    if not OutputChecker().check_output(wanted, got, ELLIPSIS | DONT_ACCEPT_BLANKLINE):
        raise AssertionError(f"{what} prints\n\n{got}\nbut the page says\n\n{wanted}")


def _lines(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").split("\n"))
