"""Finds what would make a fold give another result on the next replay: clocks, chance, I/O."""

import datetime
import dis
import uuid
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

_MODULES = frozenset(
    (
        *("time", "random", "secrets", "os", "io", "socket", "subprocess", "shutil", "asyncio"),
        *("requests", "httpx", "urllib", "urllib3", "sqlite3", "sqlalchemy"),
        *("threading", "logging"),
    )
)
_BUILTINS = frozenset({"open", "input", "print", "exec", "eval", "breakpoint"})
_READS_CLOCK = frozenset({"now", "utcnow", "today"})
_CLOCKS = (datetime, datetime.datetime, datetime.date)
_MAKES_IDS = frozenset({"uuid1", "uuid4", "uuid6", "uuid7"})


def impurity(function: Callable[..., Any]) -> str | None:
    """What ``function`` does that a pure one may not, in words; None if nothing was found.

    Looks at the function's own bytecode, not at what it calls: a help, not a proof.
    """
    code = getattr(function, "__code__", None)
    known: dict[str, Any] = getattr(function, "__globals__", {})
    return _search(code, known) if code else None


def _search(code: CodeType, known: dict[str, Any]) -> str | None:
    owner = ""  # the global whose attribute is being read, if one is
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        if instruction.opname == "LOAD_GLOBAL":
            owner = name
            if found := _impure_global(name, known):
                return found
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            if owner and (found := _impure_attribute(owner, name, known)):
                return found
        elif instruction.opname.startswith(("LOAD_", "CALL")):
            owner = ""
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return next((found for inner in nested if (found := _search(inner, known))), None)


def _impure_attribute(owner: str, name: str, known: dict[str, Any]) -> str | None:
    if name in _READS_CLOCK and known.get(owner) in _CLOCKS:
        return f"it reads the clock ({owner}.{name})"
    if name in _MAKES_IDS and known.get(owner) is uuid:
        return f"it makes an id ({owner}.{name})"
    return None


def _impure_global(name: str, known: dict[str, Any]) -> str | None:
    value = known.get(name)
    if isinstance(value, ModuleType) and value.__name__.partition(".")[0] in _MODULES:
        return f"it uses the module {value.__name__}"
    if name in _BUILTINS and name not in known:
        return f"it calls {name}()"
    if name in _MAKES_IDS:
        return f"it makes an id ({name})"
    return None
