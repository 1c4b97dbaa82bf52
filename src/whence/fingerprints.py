"""A short hash of what code does: it tells whether what was folded by it still means the same."""

import hashlib
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_CONSTANT = (str, bytes, int, float, complex, bool, type(None), tuple, frozenset, Enum)


def fingerprint(*parts: object) -> str:
    """A hash of ``parts`` that is the same in every process.

    A function counts by what it does, not by where it stands: by its code, its defaults, and the
    constants and functions of its own package that it uses. Those of other packages do not count.
    """
    digest = hashlib.sha256()
    seen = set[int]()
    digest.update(_series(parts, seen).encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]


def _essence(part: Any, seen: set[int]) -> str:
    kind = cast(Any, type(part))
    if kind is types.FunctionType:
        return _of_function(part, seen)
    if kind is types.CodeType:
        constants = _series(part.co_consts, seen)
        return f"{part.co_code.hex()}{part.co_exceptiontable.hex()}{constants}{part.co_names}"
    if issubclass(kind, Enum):
        return f"{kind.__qualname__}.{part.name}"
    if issubclass(kind, type):
        return str(part.__qualname__)
    if issubclass(kind, (set, frozenset)):
        # Of texts, these are in another order in every process.
        return f"{{{','.join(sorted(_essence(one, seen) for one in part))}}}"
    if issubclass(kind, Mapping):
        return _series([(key, part[key]) for key in part], seen)
    if issubclass(kind, (list, tuple)):
        return _series(part, seen)
    if is_dataclass(kind):
        values = [getattr(part, field.name) for field in fields(kind)]
        return f"{type(part).__qualname__}{_series(values, seen)}"
    return _ADDRESS.sub("", repr(part))


def _series(parts: Any, seen: set[int]) -> str:
    return f"({','.join(_essence(part, seen) for part in parts)})"


def _of_function(function: types.FunctionType, seen: set[int]) -> str:
    if id(function) in seen:
        return ""
    seen.add(id(function))
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    parts = [function.__code__, function.__defaults__, function.__kwdefaults__, cells]
    return _series([*parts, *_used(function)], seen)


def _used(function: types.FunctionType) -> Iterator[object]:
    """The constants and the functions of its own package that ``function`` uses."""
    package = function.__module__.partition(".")[0]
    for name in sorted(_global_names(function.__code__)):
        value = function.__globals__.get(name)
        if isinstance(value, types.FunctionType):
            if value.__module__.partition(".")[0] == package:
                yield value
        elif isinstance(value, _CONSTANT):
            yield value


def _global_names(code: types.CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_global_names, inner))


def _is_filled(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
