"""The documentation names everything that there is: errors, settings, steps, pages."""

import re
from pathlib import Path

import pytest

import whence
from whence import errors
from whence.config import NAMES

DOCS = Path(__file__).parents[2] / "docs"
ERRORS = [
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.WhenceError)
]


@pytest.mark.parametrize("name", [name for name in ERRORS if name != "WhenceError"])
def test_every_error_says_what_to_do(name: str) -> None:
    assert f"\n| `{name}` | " in (DOCS / "howto/errors.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_described(name: str) -> None:
    page = (DOCS / "howto/configuration.md").read_text()
    assert f"\n| `{name}` | " in page
    assert f"`WHENCE_{name.upper()}`" in page


@pytest.mark.parametrize("page", list(DOCS.glob("howto/*.md")), ids=lambda page: page.name)
def test_every_page_is_listed(page: Path) -> None:
    assert page.name == "index.md" or f"]({page.name})" in (DOCS / "howto/index.md").read_text()


@pytest.mark.parametrize("page", sorted(DOCS.glob("tutorial/*.md")), ids=lambda page: page.name)
def test_what_is_to_be_pasted_can_be_pasted(page: Path) -> None:
    """An empty line ends a block in the console, before Python 3.13 also in what is pasted."""
    pasted = [
        block
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        if not re.match(r"# \S+\.py\n", block)  # that is to be saved as a file
    ]
    assert [block for block in pasted if re.search(r"\n\n+ ", block)] == []


@pytest.mark.parametrize("name", whence.__all__)
def test_every_word_of_the_quickstart_is_in_the_reference(name: str) -> None:
    module = getattr(whence, name).__module__
    pages = "\n".join(page.read_text() for page in DOCS.glob("reference/*.md"))
    members = re.search(rf"automodule:: {re.escape(module)}\n   :members:(.*)", pages)
    assert members is not None
    assert not members[1] or name in re.findall(r"\w+", members[1])
