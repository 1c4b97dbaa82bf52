"""The commands, and what happens around each of them: options, errors, exit codes."""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from inspect import BoundArguments, isawaitable
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter

from whence.cli.exits import (
    DONE,
    FAILED,
    INTERRUPTED,
    USAGE,
    as_document,
    code_of,
    message_of,
    summary,
)
from whence.cli.output import Output
from whence.cli.session import Session
from whence.cli.text import clean_lines, to_json
from whence.errors import WhenceError

SEE, USE, LOOK, RUN = (
    Group(name, sort_key=place)
    for place, name in enumerate(
        ("See it work", "Use an application", "Look into it", "Run it"), start=1
    )
)

COMMANDS: tuple[tuple[str, str, Group], ...] = (
    ("demo", "whence.cli.demo:app", SEE),
    ("send", "whence.cli.send:send", USE),
    ("read", "whence.cli.read:read", USE),
    ("ask", "whence.cli.read:ask", USE),
    ("streams", "whence.cli.streams:streams", LOOK),
    ("show", "whence.cli.streams:show", LOOK),
    ("tail", "whence.cli.tail:tail", LOOK),
    ("history", "whence.cli.history:history", LOOK),
    ("projections", "whence.cli.projections:projections", RUN),
    ("rebuild", "whence.cli.projections:rebuild", RUN),
    ("worker", "whence.cli.worker:worker", RUN),
    ("doctor", "whence.cli.doctor:doctor", RUN),
    ("config", "whence.cli.config:config", RUN),
)
"""Each command's name, where it is, and where the help lists it. Imported when it is used."""

_ABOUT = """Commands in, events kept, answers out.

The application is named by --app module:name, by WHENCE_APP, or by app in whence.toml or
under [tool.whence] in pyproject.toml; its store likewise. The examples (bank:app and others)
can be named from anywhere."""


def build(*, all: bool = False) -> App:
    """The command line, as cyclopts sees it. all: with every command imported."""
    app = App(
        name="whence",
        help=_ABOUT,
        help_format="plaintext",
        help_epilogue=f"Exit codes\n{summary()}",
        version=lambda: f"whence {version('whence')}",
    )
    for name, place, group in COMMANDS:
        app.command(place, name=name, group=group)
        if all:
            app[name]
    app.meta.group_parameters = Group("Everywhere")
    app.meta.default(_launcher(app))
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    output = Output(json="--json" in arguments)
    try:
        code = _run(list(arguments), output)
        output.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_the_reader()
        return DONE
    except WhenceError as error:
        return _failed(error, output)
    except Exception as error:
        if output.json:
            output.err.file.write(_line(as_document(error)))
        output.err.file.write(clean_lines(traceback.format_exc()))
        return FAILED
    return code


def _run(arguments: list[str], output: Output) -> int:
    logging.getLogger("whence").addHandler(logging.NullHandler())
    try:
        result = build(all=arguments[:1] in ([], ["--help"], ["-h"])).meta(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        return _misused(error, output)
    return result if isinstance(result, int) else DONE


def _launcher(app: App) -> Callable[..., object]:
    def launch(
        *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        app_: Annotated[str | None, Parameter(name="--app")] = None,
        store: str | None = None,
        read: Annotated[str | None, Parameter(name="--read")] = None,
        json: Annotated[bool, Parameter(negative="")] = False,
    ) -> object:
        """Run a command with what is said for all of them.

        Parameters
        ----------
        app_
            The application, as in bank:app.
        store
            The event store, as in sqlite:///bank.db.
        read
            The database of the read models; default: beside the store.
        json
            Answer in JSON (JSON Lines for what comes one by one), errors too.
        """
        session = Session(Output(json=json), app_, store, read)
        command, bound, own = app.parse_args(tokens, exit_on_error=False, print_error=False)
        return _call(command, bound, {"session": session} if "session" in own else {})

    return launch


def _call(command: Callable[..., object], bound: BoundArguments, own: dict[str, Any]) -> object:
    answer = command(*bound.args, **bound.kwargs, **own)
    return asyncio.run(_answer(answer)) if isawaitable(answer) else answer


async def _answer(work: Awaitable[object]) -> object:
    return await work


def _failed(error: WhenceError, output: Output) -> int:
    if output.json:
        output.err.file.write(_line(as_document(error)))
    else:
        output.problem(message_of(error))
    return code_of(error)


def _misused(error: CycloptsError, output: Output) -> int:
    said = f"{error} See whence {' '.join([*(error.command_chain or ()), '--help'])}."
    if output.json:
        about = {"kind": "UsageError", "message": said, "exit": USAGE}
        output.err.file.write(_line({"error": about}))
    else:
        output.problem(said)
    return USAGE


def _line(document: dict[str, Any]) -> str:
    return to_json(document) + "\n"


def _forget_the_reader() -> None:
    """Who read our output has gone: that is no error, and Python shall not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
