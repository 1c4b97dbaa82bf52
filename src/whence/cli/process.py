"""One command line from its arguments to its exit code: nothing goes wrong without a word."""

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from cyclopts import CycloptsError, UnusedCliTokensError

from whence.cli.commands import build
from whence.cli.exits import (
    DONE,
    FAILED,
    USAGE,
    as_document,
    code_of,
    message_of,
)
from whence.cli.output import Output, Unwritten
from whence.cli.text import clean_lines, to_json
from whence.errors import WhenceError
from whence.mistakes import lines_of

_ABOUT_ALL: tuple[list[str], ...] = ([], ["--help"], ["-h"])
"""Command lines that are answered with a word on every command."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    logging.getLogger("whence").addHandler(logging.NullHandler())
    output = Output(json="--json" in arguments)
    try:
        code = _run(list(arguments))
        output.flush()
    except BrokenPipeError:
        _forget_the_reader()
        return DONE
    except Unwritten as error:
        _forget_the_reader()
        return _failed(error, output)
    except CycloptsError as error:
        return _misused(error, output)
    except WhenceError as error:
        return _failed(error, output)
    except Exception as error:
        return _unexpected(error, output)
    return code


def _run(arguments: list[str]) -> int:
    app = build(all=arguments in _ABOUT_ALL)
    result = app.meta(
        arguments, exit_on_error=False, print_error=False, result_action="return_value"
    )
    return result if isinstance(result, int) else DONE


def _failed(error: WhenceError, output: Output) -> int:
    if output.json:
        _say(as_document(error), output)
    else:
        output.problem(message_of(error))
    return code_of(error)


def _misused(error: CycloptsError, output: Output) -> int:
    command = " ".join(["whence", *(error.command_chain or ())])
    told = str(error)
    if isinstance(error, UnusedCliTokensError):
        told = f"`{command}` does not take {' '.join(error.unused_tokens or ())!r}."
    said = f"{told} See {command} --help"
    if output.json:
        _say({"error": {"kind": "UsageError", "message": said, "exit": USAGE}}, output)
    else:
        output.problem(said)
    return USAGE


def _unexpected(error: Exception, output: Output) -> int:
    """A mistake of the application's, whose author needs to see his lines; else one of ours."""
    ours = not lines_of(error)
    if ours:
        output.err.file.write(clean_lines(traceback.format_exc()))
    if output.json:
        _say(as_document(error), output)
    elif not ours:
        output.problem(message_of(error))
    return FAILED


def _say(document: dict[str, Any], output: Output) -> None:
    output.err.file.write(to_json(document) + "\n")


def _forget_the_reader() -> None:
    """Who read our output has gone: that is no error, and Python shall not complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
