"""Appending with inline read models: one transaction for the events and what becomes of them.

Whoever stores events that concern them does so alone, so that they see the events in order: the
lock called "all", which every append shares, is theirs alone until the commit.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from whence.backends.postgres.address import Address
from whence.backends.postgres.connecting import Connection
from whence.backends.postgres.tickets import Job
from whence.envelope import Recorded
from whence.store import Appended, Commit

_PLACES = """
select commit_id, ordinal, position from whence.events where commit_id = any(%b::text[])
"""


class Inline(Protocol):
    """Keeps inline read models."""

    def concerns(self, commits: Iterable[Commit]) -> bool:
        """Whether any of them changes a row."""
        ...

    async def keep(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """Write what they make of ``events``, in the transaction that has stored them.

        What it raises of its own refuses the events.
        """
        ...


async def stored(
    connection: Connection, address: Address, jobs: Sequence[Job]
) -> Sequence[Recorded]:
    """The events of those ``jobs`` that this transaction has stored, in order."""
    places: dict[tuple[str, int], int] = {}
    new = [(job.commit, job.outcome) for job in jobs if isinstance(job.outcome, Appended)]
    new = [(commit, outcome) for commit, outcome in new if not outcome.duplicate]
    several = [commit.id for commit, _ in new if len(commit.events) > 1]
    if several:
        cursor = await connection.execute(address.sql(_PLACES), (several,))
        places = {(id, ordinal): position for id, ordinal, position in await cursor.fetchall()}
    found = [event for commit, outcome in new for event in _events(commit, outcome, places)]
    return sorted(found, key=_position)


def _events(
    commit: Commit, outcome: Appended, places: dict[tuple[str, int], int]
) -> Iterable[Recorded]:
    versions = dict(outcome.versions)
    for event in commit.events:
        if event.stream:
            versions[event.stream] -= 1
    for ordinal, event in enumerate(commit.events):
        if event.stream:
            versions[event.stream] += 1
        yield Recorded(
            places.get((commit.id, ordinal), outcome.position),
            event.stream,
            versions.get(event.stream, 0),
            event.type,
            event.data,
            event.tags,
            event.metadata,
            event.micros,
            commit.id,
            ordinal,
        )


def _position(event: Recorded) -> int:
    return event.position
