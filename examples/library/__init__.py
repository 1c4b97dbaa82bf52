"""A library: its shelves are kept in Redis, and its catalogue in a search index.

The domain is below; what is particular is in `application`, `redis_rows` and `search_rows`.
"""

from collections.abc import Iterator

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
    here = False

    @decide
    def add(self, command: AddBook) -> Iterator[BookAdded]:
        yield BookAdded(self.id, command.title, command.text)

    @decide
    def lend(self, command: LendBook) -> Iterator[BookLent]:
        if not self.here:
            raise Rejected(f"{self.id} is not here")
        yield BookLent(self.id, command.reader)

    @decide
    def return_(self, command: ReturnBook) -> Iterator[BookReturned]:
        yield BookReturned(self.id)

    @decide
    def remove(self, command: RemoveBook) -> Iterator[BookRemoved]:
        yield BookRemoved(self.id)

    @evolve
    def _(self, event: BookAdded | BookReturned) -> None:
        self.here = True

    @evolve
    def _(self, event: BookLent | BookRemoved) -> None:
        self.here = False
