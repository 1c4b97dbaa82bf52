"""``python -m whence``: the command line, as `whence` itself."""

from whence.cli import main

main()
