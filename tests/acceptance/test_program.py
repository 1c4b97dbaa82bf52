"""The program `whence` itself, from its first moment on."""

import subprocess
import sys
import tomllib
from pathlib import Path

from .terminal import person

ROOT = Path(__file__).parents[2]

INTERRUPTED = """
import sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
import whence_program

whence_program.main()
"""


def test_ctrl_c_while_it_is_imported_ends_with_130_and_no_traceback() -> None:
    for module in ("whence", "whence.cli", "whence.app", "whence.cli.process"):
        code = INTERRUPTED.format(module=module)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=person()
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, "", ""), module


def test_it_is_what_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"whence": "whence_program:main"}
    assert (
        "src/whence_program.py"
        in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
