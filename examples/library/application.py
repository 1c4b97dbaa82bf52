"""Two read models that are in no SQL database, and the application that keeps them."""

from library import Book, BookAdded, BookLent, BookRemoved, BookReturned
from library.redis_rows import RedisRows
from library.search_rows import SearchRows
from whence import App, ReadModel, evolve

shelves = RedisRows("redis://127.0.0.1:6379/0")
catalogue = SearchRows("catalogue", text=("title", "text"))


class Shelf(ReadModel, database=shelves):
    """Who has each book, if it is not here: a document in Redis."""

    book_id: str
    title: str = ""
    reader: str | None = None
    loans: int = 0

    @evolve
    def _(self, event: BookAdded) -> None:
        self.title = event.title

    @evolve
    def _(self, event: BookLent) -> None:
        self.reader = event.reader
        self.loans += 1

    @evolve
    def _(self, event: BookReturned) -> None:
        self.reader = None

    @evolve
    def _(self, event: BookRemoved) -> None:
        self.delete()


class Catalogue(ReadModel, database=catalogue):
    """What each book is about: a document in a search index."""

    book_id: str
    title: str = ""
    text: str = ""

    @evolve
    def _(self, event: BookAdded) -> None:
        self.title, self.text = event.title, event.text

    @evolve
    def _(self, event: BookRemoved) -> None:
        self.delete()


app = App("library", Book, Shelf, Catalogue)
