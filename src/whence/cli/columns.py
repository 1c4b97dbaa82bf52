"""Read models, their columns and values, as they are said on a command line."""

from collections.abc import Sequence
from typing import Any

from whence.app import App
from whence.cli.exits import UsageError
from whence.cli.messages import pairs, unknown
from whence.errors import Invalid
from whence.plain import from_outside
from whence.readmodels import ReadModelSpec


def model_named(app: App, name: str) -> ReadModelSpec[Any]:
    """The read model that ``name`` means: that of its table or of its class."""
    specs = app.wiring.specs()
    for spec in specs:
        if name in (spec.name, spec.cls.__name__):
            return spec
    raise UsageError(unknown("read model", name, [spec.name for spec in specs]))


def value_of(spec: ReadModelSpec[Any], name: str, text: Any) -> Any:
    """What ``text`` stands for in the column ``name``. Raises `Invalid`."""
    try:
        value = from_outside(text, spec.column(name).hint)
    except (ValueError, TypeError) as error:
        raise Invalid("the question", {name: str(error)}) from error
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Invalid("the question", {name: "no column holds a number of this size"})
    return value


def values_of(spec: ReadModelSpec[Any], said: Sequence[str]) -> dict[str, Any]:
    """What ``name=value`` texts stand for in their columns. Raises `Invalid`."""
    return {name: value_of(spec, name, text) for name, text in pairs(said).items()}
