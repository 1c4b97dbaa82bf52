"""`Repository`: the write model. It knows its tree, so it can refuse what cannot have happened."""

from collections.abc import Iterator
from typing import NamedTuple

from gitlog.commits import Change, CommitRecorded, RecordCommit
from whence import Aggregate, Rejected, decide, evolve


class Entry(NamedTuple):
    """What lies at a path."""

    mode: str
    blob: str


class Repository(Aggregate, snapshot_every=1000):
    """One line of commits, each following its first parent, and the tree that they lead to.

    Nothing here grows with the number of commits: what was recorded long ago is recognised by
    the id of its command.
    """

    head: str = ""
    tree: dict[str, Entry] = {}

    @decide
    def record(self, command: RecordCommit) -> Iterator[CommitRecorded]:
        if command.commit == self.head:
            return
        if command.parent != self.head:
            raise Rejected(
                f"Commit {command.commit} follows {command.parent or 'nothing'}, but the latest"
                f" commit recorded for {self.id} is {self.head or 'none'}"
            )
        for path, change in command.changes.items():
            self._check(command.commit, path, change)
        yield CommitRecorded(
            command.repository_id,
            command.commit,
            command.parent,
            command.time,
            command.author,
            command.changes,
            command.subject,
        )

    @evolve
    def _(self, event: CommitRecorded) -> None:
        self.head = event.commit
        for path, change in event.changes.items():
            if change.status == "D":
                del self.tree[path]
            else:
                self.tree[path] = Entry(change.mode, change.blob)

    def _check(self, commit: str, path: str, change: Change) -> None:
        """Refuse a change that does not fit the tree as it is."""
        if change.status == "A" and path in self.tree:
            raise Rejected(f"Commit {commit} adds {path}, which is there already")
        if change.status != "A" and path not in self.tree:
            raise Rejected(f"Commit {commit} changes or deletes {path}, which is not there")
