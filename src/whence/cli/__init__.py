"""The command line: `whence --help` is its own documentation.

Results go to the standard output and nothing else does; notes, progress and errors go to the
standard error. Modules are called like the commands that are in them.
"""

import sys
from collections.abc import Sequence
from io import TextIOWrapper


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what it cannot say is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        from whence.cli.process import run

        code = run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        code = 130  # `exits.INTERRUPTED`, whose module may not be there yet
    sys.exit(code)
