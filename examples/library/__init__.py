"""A library: its shelves are kept in Redis, and its catalogue in a search index.

The domain is below; what is particular is in `application`, `redis_rows` and `search_rows`.
"""

from collections.abc import Iterator
from typing import Literal

from whence import Aggregate, Rejected, command, decide, event, evolve


@event
class BookAdded:
    book_id: str
    title: str
    text: str


@event
class BookLent:
    book_id: str
    reader: str


@event
class BookReturned:
    book_id: str


@event
class BookRemoved:
    book_id: str


@command
class AddBook:
    book_id: str
    title: str
    text: str = ""


@command
class LendBook:
    book_id: str
    reader: str


@command
class ReturnBook:
    book_id: str


@command
class RemoveBook:
    book_id: str


class Book(Aggregate):
    """One book: it stands on its shelf, a reader has it, or the library does not own it."""

    place: Literal["nowhere", "shelf", "reader"] = "nowhere"

    @decide
    def add(self, command: AddBook) -> Iterator[BookAdded]:
        if self.place != "nowhere":
            raise Rejected(f"The library owns {self.id} already")
        yield BookAdded(self.id, command.title, command.text)

    @decide
    def lend(self, command: LendBook) -> Iterator[BookLent]:
        self._must_be_here()
        yield BookLent(self.id, command.reader)

    @decide
    def return_(self, command: ReturnBook) -> Iterator[BookReturned]:
        if self.place != "reader":
            raise Rejected(f"Nobody has borrowed {self.id}")
        yield BookReturned(self.id)

    @decide
    def remove(self, command: RemoveBook) -> Iterator[BookRemoved]:
        self._must_be_here()
        yield BookRemoved(self.id)

    @evolve
    def _(self, event: BookAdded | BookReturned) -> None:
        self.place = "shelf"

    @evolve
    def _(self, event: BookLent) -> None:
        self.place = "reader"

    @evolve
    def _(self, event: BookRemoved) -> None:
        self.place = "nowhere"

    def _must_be_here(self) -> None:
        if self.place != "shelf":
            raise Rejected(f"{self.id} is not here")
