"""`whence projections`: how far each read model has come."""

from collections.abc import Sequence

from whence.cli.output import Output
from whence.cli.parameters import Given
from whence.leases import spans
from whence.status import Owner, Status

COLUMNS = ("name", "state", "position", "head", "lag", "parked", "error")


async def projections(*, session: Given) -> None:
    """Show how far each read model and projection has come, and what holds it up.

    It only looks: nothing is projected.
    """
    async with session.open() as app:
        found = await app.running.reads.subscriptions.status()
    if session.output.json:
        session.output.document([as_document(one) for one in found])
    else:
        _show(found, session.output)


def _show(statuses: Sequence[Status], output: Output) -> None:
    """A table; with whoever works on them, where that is shared between processes."""
    rows = [[getattr(status, name) for name in COLUMNS] for status in statuses]
    owners = ["; ".join(map(_owner, status.owners)) for status in statuses]
    if any(owners):
        rows = [[*row, text] for row, text in zip(rows, owners, strict=True)]
    output.table((*COLUMNS, "owners") if any(owners) else COLUMNS, rows)


def _owner(owner: Owner) -> str:
    """Host, process and slices."""
    return f"{owner.worker.rpartition(':')[0]} has {spans(owner.slices)}"


def as_document(status: Status) -> dict[str, object]:
    """``status`` as programs see it."""
    document: dict[str, object] = {name: getattr(status, name) for name in COLUMNS}
    document["owners"] = [
        {"worker": one.worker, "slices": [*one.slices], "seconds": round(one.seconds, 3)}
        for one in status.owners
    ]
    return document
