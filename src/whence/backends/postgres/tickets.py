"""What waits to be stored: calls of `append`, and the commits in them."""

import asyncio
from collections.abc import Mapping, Sequence

from psycopg import Error

from whence.store import Commit, Outcome


class Job:
    """One commit, and what has become of it."""

    __slots__ = ("actual", "commit", "met", "outcome")

    def __init__(self, commit: Commit) -> None:
        self.commit = commit
        self.outcome: Outcome | None = None
        self.actual: Mapping[str, int] | None = None
        """For a commit that was refused: the versions of the streams that moved."""
        self.met: Error | None = None
        """What it has met when it was sent at once, and nobody has dealt with yet."""

    @property
    def judged(self) -> bool:
        """Whether it is known what has become of it."""
        return self.outcome is not None or self.actual is not None


class Ticket:
    """The commits of one call, and the future that waits for their outcomes."""

    __slots__ = ("future", "jobs", "since")

    def __init__(self, commits: Sequence[Commit]) -> None:
        loop = asyncio.get_running_loop()
        self.jobs = [Job(commit) for commit in commits]
        self.future: asyncio.Future[list[Outcome]] = loop.create_future()
        self.since = loop.time()

    @property
    def weight(self) -> int:
        """Bytes of payload."""
        return sum([len(event.data) for job in self.jobs for event in job.commit.events])

    @property
    def names(self) -> int:
        """About how many locks it takes."""
        return sum([len(event.tags) + 1 for job in self.jobs for event in job.commit.events])

    def fail(self, error: Exception) -> None:
        """Tell the caller, unless nobody waits any more."""
        if not self.future.done():
            self.future.set_exception(error)

    def answer(self) -> None:
        """Tell the caller what has become of each commit."""
        if not self.future.done():
            self.future.set_result([job.outcome for job in self.jobs if job.outcome is not None])
