"""What the README says is what a reader sees: its files are saved, its commands typed."""

from contextlib import closing
from pathlib import Path

from pages import Page, blocks

README = Path(__file__).parents[2] / "README.md"


def test_the_quickstart_runs_as_written(tmp_path: Path) -> None:
    with closing(Page(README, tmp_path)) as page:
        page.read()
    assert {"bank.py", "main.py", "bank.db", "bank.read.db"} <= {
        p.name for p in tmp_path.iterdir()
    }


def test_the_bank_is_one_file() -> None:
    files = [block.file for block in blocks(README.read_text()) if block.file]
    assert files == ["bank.py", "main.py", "test_bank.py"]
