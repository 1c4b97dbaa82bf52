"""`whence projections` and `whence rebuild`: how far each read model has come, and once more."""

from collections.abc import Sequence
from time import monotonic
from typing import Any

from whence.cli.exits import UsageError
from whence.cli.messages import unknown
from whence.cli.output import Output
from whence.cli.parameters import Flag, Given
from whence.cli.text import plural
from whence.leases import spans
from whence.status import Owner, Status
from whence.subscriptions import Subscription

COLUMNS = ("name", "state", "position", "head", "lag", "error")


async def projections(*, session: Given) -> None:
    """Show how far each read model and projection has come, and what holds it up.

    It only looks: nothing is projected.
    """
    async with session.open() as app:
        found = await app.running.subscriptions.status()
    if session.output.json:
        session.output.document([as_document(one) for one in found])
    else:
        _show(found, session.output)


async def rebuild(
    name: str | None = None,
    /,
    *,
    all: Flag = False,
    session: Given,
) -> None:
    """Make a read model anew from the first event on, beside the live one, then switch.

    Queries see the old rows until they see the new ones. A rebuild that was broken off goes on
    where it was.

    Parameters
    ----------
    name
        Which one, as `projections` calls it.
    all
        Every one of them, one after the other.
    """
    if (name is None) != all:
        raise UsageError("which one? Name a read model, or say --all")
    async with session.open() as app:
        known = app.running.subscriptions.by_name
        if name is not None and name not in known:
            raise UsageError(unknown("read model", name, sorted(known)))
        wanted = list(known.values()) if name is None else [known[name]]
        done = [await _rebuild(one, session.output) for one in wanted]
    if session.output.json:
        session.output.document(done)


async def _rebuild(subscription: Subscription, output: Output) -> dict[str, Any]:
    start, seen = monotonic(), 0
    total = (await subscription.status()).head
    with output.progress(f"rebuilding {subscription.name}", total) as advance:

        def progress(position: int, head: int) -> None:
            nonlocal seen
            advance(position - seen)
            seen = position

        await subscription.rebuild(progress)
    status, seconds = await subscription.status(), monotonic() - start
    if not output.json:
        position = f"{status.position:,}"
        output.say(f"{status.name}: rebuilt, at position {position}, in {seconds:.1f} s")
    if status.parked:
        keys = plural(status.parked, "key")
        output.note(f"{keys} parked, since an event could not be handled; the rest is up to date")
    document = {"name": status.name, "position": status.position, "parked": status.parked}
    return document | {"seconds": round(seconds, 3)}


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
