"""The read models: what is asked about repositories, each answer ready in a row.

A key begins with the repository's id, for several repositories may share a store. One commit
touches many rows: the functions below say which.
"""

from datetime import UTC, datetime
from typing import Annotated

from gitlog.commits import CommitRecorded
from whence import Index, ReadModel, evolve

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

RepositoryId = Annotated[str, Index()]


def key_of(repository_id: str, what: str) -> str:
    """The key of a row about something in a repository: up to the first colon it is its id."""
    return f"{repository_id.replace('%', '%25').replace(':', '%3A')}:{what}"


def by_path(event: CommitRecorded) -> list[str]:
    """A row for each path."""
    return [key_of(event.repository_id, path) for path in event.changes]


def by_author(event: CommitRecorded) -> str:
    """The row of its author."""
    return key_of(event.repository_id, event.author)


def by_month(event: CommitRecorded) -> str:
    """The row of its month, by the calendar of who committed it."""
    return key_of(event.repository_id, f"{event.time:%Y-%m}")


def by_commit(event: CommitRecorded) -> str:
    """A row for itself."""
    return key_of(event.repository_id, event.commit)


class Overview(ReadModel, name="overviews"):
    """A repository as a whole."""

    repository_id: str
    head: str = ""
    commits: int = 0
    changes: int = 0
    files: int = 0
    """That are there now."""
    first: datetime = LONG_AGO
    last: datetime = LONG_AGO

    @evolve
    def _(self, event: CommitRecorded) -> None:
        if not self.commits:
            self.first = event.time
        self.head, self.last = event.commit, event.time
        self.commits += 1
        self.changes += len(event.changes)
        statuses = [change.status for change in event.changes.values()]
        self.files += statuses.count("A") - statuses.count("D")


class Commit(ReadModel, name="commits"):
    """A commit. Its row's version is the version of the repository that it led to."""

    key: str
    repository_id: RepositoryId = ""
    commit: Annotated[str, Index()] = ""
    time: Annotated[datetime, Index()] = LONG_AGO
    author: str = ""
    subject: str = ""
    changes: int = 0

    @evolve(key=by_commit)
    def _(self, event: CommitRecorded) -> None:
        self.repository_id = event.repository_id
        self.commit = event.commit
        self.time = event.time
        self.author = event.author
        self.subject = event.subject
        self.changes = len(event.changes)


class File(ReadModel, name="files"):
    """A file that is there now, and how it came to be as it is."""

    key: str
    repository_id: RepositoryId = ""
    path: str = ""
    mode: str = ""
    blob: str = ""
    commit: str = ""
    author: str = ""
    time: datetime = LONG_AGO
    changes: int = 0
    """Since it was added, for the last time if it came and went."""

    @evolve(key=by_path)
    def _(self, event: CommitRecorded) -> None:
        path = self.key.removeprefix(key_of(event.repository_id, ""))
        change = event.changes[path]
        if change.status == "D":
            self.delete()
            return
        self.repository_id, self.path = event.repository_id, path
        self.mode, self.blob = change.mode, change.blob
        self.commit, self.author, self.time = event.commit, event.author, event.time
        self.changes += 1


class Churn(ReadModel, name="churn"):
    """How often a path was changed, whether it is still there or not."""

    key: str
    repository_id: RepositoryId = ""
    path: str = ""
    changes: Annotated[int, Index()] = 0
    present: bool = False

    @evolve(key=by_path)
    def _(self, event: CommitRecorded) -> None:
        self.repository_id = event.repository_id
        self.path = self.key.removeprefix(key_of(event.repository_id, ""))
        self.changes += 1
        self.present = event.changes[self.path].status != "D"


class Contributor(ReadModel, name="contributors"):
    """What an author has done."""

    key: str
    repository_id: RepositoryId = ""
    author: Annotated[str, Index()] = ""
    commits: int = 0
    changes: int = 0
    first: datetime = LONG_AGO
    last: datetime = LONG_AGO

    @evolve(key=by_author)
    def _(self, event: CommitRecorded) -> None:
        if not self.commits:
            self.repository_id, self.author = event.repository_id, event.author
            self.first = event.time
        self.commits += 1
        self.changes += len(event.changes)
        self.last = event.time


class Month(ReadModel, name="months"):
    """What was done in a month."""

    key: str
    repository_id: RepositoryId = ""
    month: str = ""
    commits: int = 0
    changes: int = 0

    @evolve(key=by_month)
    def _(self, event: CommitRecorded) -> None:
        self.repository_id, self.month = event.repository_id, f"{event.time:%Y-%m}"
        self.commits += 1
        self.changes += len(event.changes)
