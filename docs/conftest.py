"""Every block of code in the documentation is run, page by page: see `tools/pages.py`."""

from collections.abc import Iterator
from typing import Any

from sybil import Document, Example, Region, Sybil

from pages import Page, blocks
from tests import packaged

packaged.offer()


def _parse(document: Document) -> Iterator[Region]:
    for block in blocks(document.text):
        yield Region(block.start, block.end, block, _evaluate)


def _evaluate(example: Example) -> None:
    from pathlib import Path

    namespace = example.namespace
    if "page" not in namespace:
        namespace["page"] = Page(Path(example.path))
    namespace["page"].do(example.parsed)


def _close(namespace: dict[str, Any]) -> None:
    if "page" in namespace:
        namespace.pop("page").close()


pytest_collect_file = Sybil(parsers=[_parse], pattern="*.md", teardown=_close).pytest()
