"""`whence tail`: the log as it grows."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from whence.cli.output import Output
from whence.cli.parameters import Count, Flag, Given, Many, OptionalCount
from whence.cli.records import print_records
from whence.cli.stopping import reader_is_gone, until_stopped
from whence.envelope import Recorded
from whence.store import ALL, EventQuery, EventStore, Item

_LOOK = 1.0
"""Seconds between two looks whether anybody still reads."""


async def tail(
    *,
    follow: Annotated[Flag, Parameter(alias="-f")] = False,
    type: Many = (),
    stream: str | None = None,
    tag: Many = (),
    after: OptionalCount = None,
    lines: Annotated[Count, Parameter(alias="-n")] = 10,
    session: Given,
) -> None:
    """Show the latest events of the log; with -f also those to come, each once.

    Parameters
    ----------
    follow
        Go on until Ctrl-C.
    type
        Only events of this type, as in MoneyWithdrawn. May be repeated: any of them.
    stream
        Only events of this stream, as in account-ACC1.
    tag
        Only events with this tag, as in course:C1. May be repeated: all of them.
    after
        All events after this position, not only the latest.
    lines
        How many of the latest events.
    """
    query = _query(type, stream, tag)
    with until_stopped():
        async with session.events() as store:
            if after is None:
                after = await store.head()
                latest = await _latest(store, query, after, lines)
                print_records(session.output, latest)
                if not (latest or follow or session.output.json):
                    session.output.note("nothing found")
            after = await _print_after(store, query, after, session.output)
            while follow and not reader_is_gone():
                await store.wait(after, _LOOK)
                after = await _print_after(store, query, after, session.output)


async def _print_after(store: EventStore, query: EventQuery, after: int, output: Output) -> int:
    """Print what comes after ``after``; return how far that was looked for."""
    async for page in store.read(query, after=after):
        print_records(output, page.events)
        after = page.scanned
    output.flush()
    return after


async def _latest(store: EventStore, query: EventQuery, head: int, count: int) -> list[Recorded]:
    """The last ``count`` events up to ``head``, oldest first."""
    if count < 1 or head < 1:
        return []
    pages = store.read(query, after=head + 1, backwards=True, limit=count)
    return [event async for page in pages for event in page.events][::-1]


def _query(types: Sequence[str], stream: str | None, tags: Sequence[str]) -> EventQuery:
    if not (types or stream or tags):
        return ALL
    return EventQuery((Item(frozenset(types), frozenset(tags), stream),))
