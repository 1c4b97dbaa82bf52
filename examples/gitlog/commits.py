"""What is said about commits: the command, the event, and the changes that both carry."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from whence import command, event

Moment = Annotated[datetime, Meta(tz=True)]
Status = Literal["A", "M", "D", "T"]
"""Added, modified, deleted; T: it became another kind of thing, as a link instead of a file."""


class Change(Struct, frozen=True, array_like=True, gc=False):
    """What a commit did to one path. Kept as a short list, for there are very many."""

    status: Status
    mode: str = ""
    """As git writes it: 100644 a file, 100755 a program, 120000 a link, 160000 a submodule."""
    blob: str = ""
    """The hash of the content; of a submodule, of its commit."""


@command
class RecordCommit:
    """Take a commit into the record of its repository."""

    repository_id: str
    commit: str
    parent: str
    """The commit that it follows in the first-parent history; empty: it is the first."""
    time: Moment
    author: str
    changes: dict[str, Change]
    """By path, against the parent. A path is written as `gitlog.paths` says."""
    subject: str = ""


@event
class CommitRecorded:
    """A commit became the latest of its repository."""

    repository_id: str
    commit: str
    parent: str
    time: datetime
    author: str
    changes: dict[str, Change]
    subject: str = ""
