"""The library on a real Redis and a real search index."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from library import (
    AddBook,
    Book,
    BookAdded,
    BookLent,
    BookRemoved,
    BookReturned,
    LendBook,
    RemoveBook,
    ReturnBook,
)
from library.application import Catalogue, Shelf, app, catalogue, shelves
from library.redis_rows import RedisRows
from library.search_rows import SearchRows
from whence import App
from whence.elsewhere import RowStore, table_name
from whence.testing import given


@pytest.fixture
def index(tmp_path: Path) -> SearchRows:
    return SearchRows(tmp_path / "catalogue", text=("title", "text"))


@pytest.fixture
async def library(redis_url: str, index: SearchRows, tmp_path: Path) -> AsyncIterator[App]:
    rows = RedisRows(redis_url, prefix=f"{tmp_path}:")
    places: dict[object, RowStore] = {shelves: rows, catalogue: index}
    async with app.using(store=f"sqlite:///{tmp_path}/library.db", databases=places) as opened:
        yield opened
    rows.redis.close()


async def test_the_shelf_says_where_a_book_is(library: App) -> None:
    await library.send(AddBook("B1", "The Sea"))
    lent = await library.send(LendBook("B1", "ann"))
    row = await library.read(Shelf).get("B1", after=lent)
    assert row == Shelf("B1", "The Sea", "ann", 1, version=2)
    back = await library.send(ReturnBook("B1"))
    row = await library.read(Shelf).get("B1", after=back)
    assert row is not None
    assert row.reader is None


async def test_the_catalogue_finds_words(library: App, index: SearchRows) -> None:
    await library.send(AddBook("B1", "The Sea", "Waves, boats and sailing"))
    await library.send(AddBook("B2", "Tea", "Leaves, boats of porcelain"))
    added = await library.send(AddBook("B3", "Sails", "How to sew them"))
    await library.read(Catalogue).after(added)
    table = table_name("catalogue", (await library.projections.status(Catalogue)).generation)
    assert sorted(index.search(table, "sail")) == ["B1", "B3"]
    assert sorted(index.search(table, "boats")) == ["B1", "B2"]
    gone = await library.send(RemoveBook("B1"))
    await library.read(Catalogue).after(gone)
    assert index.search(table, "sail") == ["B3"]


async def test_they_are_rebuilt_and_verified_like_any_others(library: App) -> None:
    for n in range(19):
        await library.send(AddBook(f"B{n}", f"Volume {n}"))
    receipt = await library.send(AddBook("B19", "The last"))
    for model in (Shelf, Catalogue):
        assert await library.read(model).after(receipt).count() == 20
        await library.rebuild(model)
        assert await library.read(model).count() == 20
        verified = await library.verify(model)
        assert (verified.in_sync, verified.rows) == (True, 20)


def test_a_book_is_lent_to_one_reader_at_a_time() -> None:
    book = given(Book, BookAdded("B1", "The Sea", ""))
    lent = book.when(LendBook("B1", "ann")).then(BookLent("B1", "ann"))
    lent.and_when(LendBook("B1", "ben")).then_rejected("B1 is not here")
    lent.and_when(RemoveBook("B1")).then_rejected("B1 is not here")
    lent.and_when(ReturnBook("B1")).then(BookReturned("B1"))


def test_only_what_was_lent_is_returned() -> None:
    given(Book).when(ReturnBook("B1")).then_rejected("Nobody has borrowed B1")
    book = given(Book, BookAdded("B1", "The Sea", ""))
    book.when(ReturnBook("B1")).then_rejected("Nobody has borrowed B1")


def test_a_book_is_added_again_once_it_was_removed() -> None:
    book = given(Book, BookAdded("B1", "The Sea", ""))
    book.when(AddBook("B1", "The Sea")).then_rejected("owns B1 already")
    removed = book.when(RemoveBook("B1")).then(BookRemoved("B1"))
    removed.and_when(AddBook("B1", "The Sea")).then(BookAdded("B1", "The Sea", ""))
