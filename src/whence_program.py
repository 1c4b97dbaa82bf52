"""Where the program `whence` begins: Ctrl-C ends it without a word, also while it is imported."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from whence.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
