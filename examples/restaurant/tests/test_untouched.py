"""The changes touch nothing: the base is byte for byte what it was, and knows nothing of them.

Who changes the base on purpose says so: `sha256sum *.py > tests/base.sha256` in its folder.
"""

import ast
import hashlib
from pathlib import Path

import restaurant

BASE = Path(restaurant.__file__).parent
CHANGES = BASE / "changes"
SUMS = Path(__file__).with_name("base.sha256")


def base_modules() -> list[Path]:
    return sorted(BASE.glob("*.py"))


def imported_by(module: Path) -> set[str]:
    """The modules that a file names in its imports, at any place in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = "restaurant" if node.level else ""
            name = ".".join(filter(None, (package, node.module)))
            found |= {name, *(f"{name}.{alias.name}" for alias in node.names)}
    return found


def is_change(name: str) -> bool:
    return name.startswith("restaurant.changes")


def test_the_base_files_are_byte_for_byte_what_they_were_before_the_changes() -> None:
    sums = [line.split() for line in SUMS.read_text().splitlines()]
    expected = {name: digest for digest, name in sums}
    found = {name: hashlib.sha256((BASE / name).read_bytes()).hexdigest() for name in expected}
    assert found == expected
    assert {"table.py", "kitchen.py", "menu.py", "boards.py", "money.py"} <= expected.keys()


def test_no_base_module_knows_of_a_change() -> None:
    for module in base_modules():
        assert not any(map(is_change, imported_by(module))), module.name


def test_every_change_builds_on_the_base() -> None:
    changes = {file.stem: imported_by(file) for file in CHANGES.glob("*.py")}
    changes.pop("__init__")
    assert {"manager", "drinks", "service", "bar"} <= changes.keys()
    for name, imports in changes.items():
        base = {one for one in imports if one.startswith("restaurant.") and not is_change(one)}
        assert base, name


def test_a_change_knows_only_the_changes_before_it() -> None:
    order = ["manager", "drinks", "service", "bar"]
    for number, name in enumerate(order):
        imports = imported_by(CHANGES / f"{name}.py")
        for later in order[number:]:
            assert f"restaurant.changes.{later}" not in imports, (name, later)
