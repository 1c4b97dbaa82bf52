"""Who has read the README and the tutorial, and nothing else, can add to the restaurant."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).parents[2]
READ = "\n".join(
    path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/tutorial/*.md"))
)

SHOWN = "\n".join(
    (ROOT / "docs/tutorial" / name).read_text()
    for name in re.findall(r"\{literalinclude\} (\S+)", READ)
)
"""The files of the restaurant that the tutorial shows parts of."""

RESERVATIONS = """
from datetime import datetime

from restaurant.boards import KitchenQueue, TableBoard
from restaurant.fields import AtLeastOne, Moment
from restaurant.kitchen import Order
from restaurant.money import Bills
from restaurant.table import Table
from whence import App, ReadModel, Rejected, command, decide, event, evolve


@command
class ReserveTable:
    table_id: str
    name: str
    guests: AtLeastOne
    at: Moment


@event
class TableReserved:
    table_id: str
    name: str
    guests: int
    at: datetime


class BookableTable(Table):
    reserved: dict[str, str] = {}

    @decide
    def reserve(self, command: ReserveTable):
        day = command.at.date().isoformat()
        if self.reserved.get(day) == command.name:
            return
        if day in self.reserved:
            raise Rejected(f"Table {self.id} is reserved for {self.reserved[day]}")
        yield TableReserved(self.id, command.name, command.guests, command.at)

    @evolve
    def table_reserved(self, event: TableReserved):
        self.reserved[event.at.date().isoformat()] = event.name


def day_of(event: TableReserved):
    return event.at.date().isoformat()


class BookingsOfDay(ReadModel):
    day: str
    guests: int = 0
    names: list[str] = []

    @evolve(key=day_of)
    def table_reserved(self, event: TableReserved):
        self.guests += event.guests
        self.names.append(event.name)


app = App("restaurant", BookableTable, Order, TableBoard, KitchenQueue, BookingsOfDay, Bills)
"""

TESTS = """
from datetime import datetime

from restaurant.reservations import BookableTable, ReserveTable, TableReserved
from whence.testing import given

evening = datetime.fromisoformat("2026-11-01T19:30+01:00")
reserved = given(BookableTable, TableReserved("T1", "ann", 2, evening))


def test_a_table_is_reserved():
    command = ReserveTable("T1", "ann", 2, evening)
    given(BookableTable).when(command).then(TableReserved("T1", "ann", 2, evening))


def test_it_is_reserved_once():
    reserved.when(ReserveTable("T1", "ann", 2, evening)).then()
    reserved.when(ReserveTable("T1", "ben", 2, evening)).then_rejected("reserved for ann")


def test_for_somebody():
    reserved.when(ReserveTable("T1", "ben", 0, evening)).then_invalid("guests")
"""

EVENING = """
import asyncio
from datetime import datetime

from restaurant.reservations import BookingsOfDay, ReserveTable, app
from restaurant.table import SeatGuests
from whence import Rejected

evening = datetime.fromisoformat("2026-11-01T19:30+01:00")


async def main():
    async with app.using(store="sqlite:///evening.db") as restaurant:
        await restaurant.send(SeatGuests("T1", "V1", guests=2), by="maria")
        await restaurant.send(ReserveTable("T1", "ann", 2, evening), by="maria")
        receipt = await restaurant.send(ReserveTable("T2", "ben", 4, evening), by="maria")
        try:
            await restaurant.send(ReserveTable("T1", "cem", 2, evening), by="maria")
        except Rejected as refusal:
            print(refusal)
        day = await restaurant.read(BookingsOfDay).get("2026-11-01", after=receipt)
        print(day.guests, day.names)


asyncio.run(main())
"""


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    ignored = ignore_patterns("__pycache__", "*.db*", "data")
    return copytree(ROOT / "examples", tmp_path / "examples", ignore=ignored)


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout


def test_a_newcomer_adds_a_command_an_event_and_a_read_model(examples: Path) -> None:
    (examples / "restaurant/reservations.py").write_text(RESERVATIONS)
    (examples / "restaurant/tests/test_reservations.py").write_text(TESTS)
    (examples / "evening.py").write_text(EVENING)

    tested = run(examples, "-m", "pytest", "-q", "restaurant/tests/test_reservations.py")
    assert "3 passed" in tested

    assert run(examples, "evening.py").splitlines() == [
        "Table T1 is reserved for ann",
        "6 ['ann', 'ben']",
    ]


def told(examples: Path, reservations: str) -> str:
    """The last line that comes of an evening with ``reservations``."""
    (examples / "restaurant/reservations.py").write_text(reservations)
    (examples / "evening.py").write_text(EVENING)
    return run(examples, "evening.py").splitlines()[-1]


def test_a_newcomer_who_forgets_the_decision_is_told(examples: Path) -> None:
    last = told(examples, RESERVATIONS.replace("    @decide\n", ""))
    assert "nobody decides ReserveTable" in last
    assert "@decide def ...(self, command: ReserveTable)" in last


def test_a_newcomer_who_forgets_the_read_model_is_told(examples: Path) -> None:
    last = told(examples, RESERVATIONS.replace("KitchenQueue, BookingsOfDay, ", "KitchenQueue, "))
    assert "BookingsOfDay" in last
    assert "pass it to App" in last


@pytest.mark.parametrize("source", [RESERVATIONS, TESTS, EVENING])
def test_a_newcomer_uses_only_what_he_has_read(source: str) -> None:
    nodes = list(ast.walk(ast.parse(source)))
    assert {
        name for name in imported(nodes, "whence") | called(nodes) if name not in READ
    } == set()
    assert {word for word in keywords(nodes) if f"{word}=" not in READ + SHOWN} == set()
    assert {name for name in imported(nodes, "restaurant") if name not in READ + SHOWN} <= {
        "TableReserved",  # his own
        "ReserveTable",
        "BookableTable",
        "BookingsOfDay",
    }


def imported(nodes: list[ast.AST], package: str) -> set[str]:
    """What is imported from a package."""
    return {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package)
        for alias in node.names
    }


def called(nodes: list[ast.AST]) -> set[str]:
    """Names of the methods that are called, but for those of Python itself."""
    return {
        node.func.attr
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    } - {"append", "date", "get", "isoformat", "fromisoformat", "run"}


def keywords(nodes: list[ast.AST]) -> set[str]:
    """Names of the arguments that are named."""
    return {
        word.arg
        for node in nodes
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg
    }


@pytest.mark.parametrize("program", ["python", "pytest", "whence"])
def test_a_newcomer_is_told_where_his_programs_are(program: str) -> None:
    assert ". .venv/bin/activate" in READ
    assert program in READ
