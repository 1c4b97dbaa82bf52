"""The statements of `statements.sql`, by name."""

import re
from importlib.resources import files


def _load() -> dict[str, str]:
    text = files("whence.backends.sqlite").joinpath("statements.sql").read_text()
    return {name: sql.strip() for name, sql in re.findall(r"-- (\w+): .*\n([^;]+);", text)}


SQL = _load()
