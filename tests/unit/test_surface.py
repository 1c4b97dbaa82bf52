"""What is imported by whom: the words of the quickstart, described, and quick to import."""

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import whence

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(whence.__path__, "whence.")
    if not module.name.startswith("whence.examples") and not module.name.endswith("__main__")
)
CORE = [name for name in MODULES if "." not in name.removeprefix("whence.")]


def test_the_words_are_those_of_the_quickstart_and_their_errors() -> None:
    assert whence.__all__ == sorted(whence.__all__)
    assert set(whence.__all__) == {
        *("event", "command", "query", "Tag"),
        *("Aggregate", "Decider", "decide", "evolve"),
        *("DecisionModel", "ReadModel", "Index", "Projection", "project"),
        *("App", "Receipt"),
        *("WhenceError", "Invalid", "Forbidden", "Rejected", "Conflict", "Stale", "Behind"),
    }


def test_nothing_else_is_on_top() -> None:
    public = {name for name in vars(whence) if not name.startswith("_")}
    modules = {name.rpartition(".")[2] for name in CORE}
    assert public - modules == set(whence.__all__)


@pytest.mark.parametrize("word", whence.__all__)
def test_every_word_is_described_and_in_the_documentation(word: str) -> None:
    assert inspect.getdoc(getattr(whence, word))
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    assert any(word in page for page in pages)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_what_it_is_for(module: str) -> None:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    assert ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_importing_it_imports_no_driver_and_no_edge() -> None:
    loaded = set(run("import sys, whence; print(*sys.modules)").split())
    heavy = {
        *("sqlalchemy", "cyclopts", "rich", "psycopg", "pydantic", "attrs", "attr"),
        *("opentelemetry", "pytest", "hypothesis", "whence.cli", "whence.testing"),
        *("whence.backends.sqlite", "whence.backends.sql", "whence.backends.memory"),
    }
    assert loaded & heavy == set()


def test_a_domain_needs_none_of_them_either() -> None:
    domain = (
        "import sys\n"
        "from whence import *\n"
        "@event\nclass E:\n    x_id: str\n"
        "class A(Aggregate, id='x_id'):\n    @evolve\n    def _(self, event: E) -> None: ...\n"
        "class R(ReadModel):\n    x_id: str\n    @evolve\n    def _(self, event: E) -> None: ...\n"
        "app = App('x', A, R)\n"
        "print(*sys.modules)\n"
    )
    script = f"exec({domain!r}, globals())"
    assert set(run(script).split()) & {"sqlalchemy", "cyclopts", "rich", "pydantic"} == set()


def test_it_works_without_the_extras() -> None:
    code = (
        "import sys\n"
        "for name in ('pydantic', 'attrs', 'attr', 'opentelemetry', 'psycopg'):\n"
        "    sys.modules[name] = None\n"
        "from whence import Aggregate, App, command, decide, event\n"
        "@event\nclass E:\n    x_id: str\n"
        "@command\nclass C:\n    x_id: str\n"
        "class A(Aggregate, id='x_id'):\n"
        "    @decide\n    def do(self, command: C):\n        yield E('X1')\n"
        "with App('x', A, store='memory://').sync as app:\n"
        "    print(app.send(C('X1')).position)\n"
    )
    script = f"exec({code!r}, globals())"
    assert run(script) == "1\n"
