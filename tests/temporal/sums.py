"""Sums that cannot be folded if they are unlucky, in a table or folded for each question."""

from whence import ReadModel, event, evolve
from whence.app import App
from whence.envelope import NewEvent, new_id
from whence.store import Commit


@event
class Added:
    sum_id: str
    by: int


@event
class Moved:
    sums: list[str]


class Sum(ReadModel, attempts=0):
    """In a table, so that what cannot be folded is parked."""

    sum_id: str
    total: int = 0
    moves: int = 0

    @evolve
    def _(self, event: Added) -> None:
        if event.by == 13:
            raise ValueError("13 brings bad luck")
        self.total += event.by

    @evolve(key="sums")
    def _(self, event: Moved) -> None:
        self.moves += 1


BROKEN = object()
"""Stands for an event that nobody can read."""


async def stored(app: App, *events: object, stream: str = "") -> int:
    """Store ``events``, each in a commit of its own; return where the log ends."""
    codec, store = app.wiring.events, app.running.store
    for one in events:
        if one is BROKEN:
            new = NewEvent("Added", b"[]", stream)
        else:
            form = codec.form(type(one))
            new = NewEvent(form.message.word, form.keep(one), stream)
        await store.append([Commit(new_id(), [new])])
    return await store.head()
