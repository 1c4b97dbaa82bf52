"""Settings, and where each of them came from.

What the code says wins over the environment (``WHENCE_STORE``), that over ``whence.toml`` or the
``[tool.whence]`` of ``pyproject.toml`` in this folder or one above it, that over the defaults.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from whence.errors import WiringError

NAMES = {
    "app": "the application, as in bank:app",
    "store": "the event store, as in sqlite:///bank.db",
    "read": "the database of the read models, as in sqlite:///bank.read.db",
    "local": "the file of the read models that each node keeps for itself, as a URL",
    "timeout": "how many seconds the command line waits for a read model that does not move",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and its source."""

    name: str
    value: str
    source: str


def settings(
    code: Mapping[str, str | None] | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> dict[str, Setting]:
    """Every setting that somebody made, by name. Raises `WiringError` for one nobody knows."""
    found: dict[str, Setting] = {}
    for source, values in _sources(environ, folder or Path.cwd()):
        for name, value in values.items():
            if name not in NAMES:
                raise WiringError(f"{source}: no setting is called {name!r}; known: {_known()}")
            if isinstance(value, (dict, list)):
                raise WiringError(f'{source}: {name} is one text, as in {name} = "..."')
            found[name] = Setting(name, str(value), source)
    given = {name: value for name, value in (code or {}).items() if value is not None}
    return found | {name: Setting(name, value, "code") for name, value in given.items()}


def _sources(environ: Mapping[str, str], folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The sources, weakest first."""
    for parent in (folder, *folder.parents):
        own, project = parent / "whence.toml", parent / "pyproject.toml"
        if own.is_file():
            yield str(own), _toml(own)
            break
        if project.is_file() and (table := _own_table(project)):
            yield str(project), table
            break
    for name in NAMES:
        variable = f"WHENCE_{name.upper()}"
        if environ.get(variable):
            yield variable, {name: environ[variable]}


def _own_table(project: Path) -> Mapping[str, Any]:
    table = _toml(project).get("tool", {}).get("whence", {})
    if not isinstance(table, dict):
        raise WiringError(f"{project}: whence under [tool] is a table: write [tool.whence]")
    return cast("dict[str, Any]", table)


def _toml(path: Path) -> dict[str, Any]:
    import tomllib  # many applications have no such file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WiringError(f"{path}: {error}") from error


def _known() -> str:
    return ", ".join(f"{name} ({meaning})" for name, meaning in NAMES.items())
