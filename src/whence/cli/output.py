"""Where results, notes and progress go: tables for people, JSON for programs."""

import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whence.cli.text import cell, clean_lines, to_json
from whence.errors import WhenceError

Advance = Callable[[int], None]
"""Says that so many more are done."""

_UNLIMITED = 1_000_000


class Unwritten(WhenceError):
    """The answer cannot be written, as to a full disk; what was asked for may be done."""


@contextmanager
def _writing() -> Generator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritten(
            f"the answer cannot be written: {error.strerror}. What was asked for may be done"
        ) from error


class Terminal(Console):
    """Where text goes; perhaps a pipe that nobody reads any more, or a file on a full disk."""

    def print(self, *objects: Any, **options: Any) -> None:
        """See `Console.print`. Raises `Unwritten`."""
        with _writing():
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Leave it to `whence.cli.process`: rich would end the process with 1."""
        raise BrokenPipeError


class Output:
    """Results on the standard output; notes, progress and errors on the standard error."""

    def __init__(self, *, json: bool = False) -> None:
        self.json = json
        self.out = _console(stderr=False)
        self.err = _console(stderr=True)

    def document(self, value: Any) -> None:
        """The one JSON document that a command answers with."""
        self._write(to_json(value, indent=2 if self.out.is_terminal else 0))

    def line(self, value: Any) -> None:
        """One of the JSON Lines that a command answers with."""
        self._write(to_json(value))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A table for people. Numbers stand to the right."""
        made = [tuple(row) for row in rows]
        table = Table(box=box.SIMPLE_HEAD if self.out.is_terminal else None, pad_edge=False)
        for place, column in enumerate(columns):
            numbers = made and all(_number(row[place]) for row in made)
            table.add_column(column, justify="right" if numbers else "left", overflow="fold")
        for row in made:
            table.add_row(*(Text(cell(value)) for value in row))
        self.out.print(table)

    def text(self, line: str) -> None:
        """A line for programs, exactly as it is."""
        self._write(line)

    def say(self, *parts: str | tuple[str, str]) -> None:
        """One line for people; a part may be a text with its style."""
        styled = [part if isinstance(part, tuple) else (part, "") for part in parts]
        text = Text.assemble(*((clean_lines(part), style) for part, style in styled))
        self.out.print(text, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line beside the result, and not before it."""
        self.flush()
        self.err.print(Text(clean_lines(text), style="dim"), soft_wrap=True)

    def problem(self, text: str) -> None:
        """What went wrong, for people."""
        self.err.print(Text.assemble(("error: ", "bold red"), clean_lines(text)), soft_wrap=True)

    def flush(self) -> None:
        """Let a reader at the other end of a pipe see everything so far."""
        with _writing():
            self.out.file.flush()

    @contextmanager
    def progress(self, what: str, total: int | None) -> Generator[Advance]:
        """A bar with the rate and the time that is left; nothing where nobody would see it."""
        if not self.err.is_terminal:
            yield lambda count: None
            return
        with _bar(self.err, what, total) as advance:
            yield advance

    def _write(self, text: str) -> None:
        with _writing():
            self.out.file.write(text + "\n")


@contextmanager
def _bar(console: Console, what: str, total: int | None) -> Generator[Advance]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def _console(*, stderr: bool) -> Terminal:
    console = Terminal(
        file=sys.stderr if stderr else sys.stdout, markup=False, highlight=False, emoji=False
    )
    if not console.is_terminal:
        console.width = _UNLIMITED  # a pipe has no edge: nothing is wrapped or cut
    return console


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
