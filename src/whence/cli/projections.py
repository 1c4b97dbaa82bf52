"""`whence projections`: how far each read model has come."""

from whence.cli.session import Given
from whence.subscriptions import Status

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
        session.output.table(COLUMNS, [list(as_document(one).values()) for one in found])


def as_document(status: Status) -> dict[str, object]:
    """``status`` as it is shown."""
    return {name: getattr(status, name) for name in COLUMNS}
