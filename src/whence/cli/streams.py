"""`whence streams` and `whence show`: what is stored, as it is stored."""

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from whence.cli.parameters import Count, Flag, Given
from whence.cli.records import print_records
from whence.cli.text import plural
from whence.errors import NotFound
from whence.history import position_of
from whence.store import ALL, PAGE_EVENTS, EventStore, in_stream

Streams = list[tuple[str, int]]
"""Names of streams with their versions."""


@runtime_checkable
class ListsStreams(Protocol):
    """A store that can name its streams without reading their events."""

    async def streams(
        self, prefix: str = "", /, *, after: str = "", limit: int = 1_000
    ) -> Streams:
        """Streams and their versions by name: those after ``after`` that start so."""
        ...


async def streams(
    prefix: str = "", /, *, after: str = "", limit: Count = 1_000, session: Given
) -> None:
    """List the streams with their versions, by name.

    Parameters
    ----------
    prefix
        Only those whose names start so, as in account-.
    after
        Only those after this name.
    limit
        At most so many; 0 for all.
    """
    output, given, last = session.output, 0, ""
    more = False
    async with session.events() as store:
        async for page in _pages(store, prefix, after, limit):
            given, last = given + len(page), page[-1][0]
            if output.json:
                for name, version in page:
                    output.line({"stream": name, "version": version})
            else:
                output.table(("stream", "version"), page)
        if given == limit:
            more = bool(await _page(store, prefix, last, 1))
    if not output.json:
        output.note(plural(given, "stream") + (f"; --after {last} goes on" if more else ""))


async def show(
    stream: str,
    /,
    *,
    after: Count = 0,
    limit: Count = 0,
    backwards: Flag = False,
    session: Given,
) -> None:
    """Show the events of a stream, the oldest first.

    Parameters
    ----------
    stream
        Its name, as in account-ACC1.
    after
        Only those after this version.
    limit
        At most so many; 0 for all.
    backwards
        The latest first.
    """
    async with session.events() as store:
        start = 0 if backwards else await position_of(store, stream, after)
        found, query, most = start > 0, in_stream(stream), limit or None
        async for page in store.read(query, after=start, backwards=backwards, limit=most):
            wanted = [event for event in page.events if event.version > after]
            print_records(session.output, wanted, stream=False)
            found = found or bool(page.events)
            if backwards and len(wanted) < len(page.events):
                break
    if not found:
        raise NotFound(f"there is no stream {stream!r}: `whence streams` lists those that are")


async def _pages(store: EventStore, prefix: str, after: str, limit: int) -> AsyncIterator[Streams]:
    left = limit or None
    while left is None or left > 0:
        most = PAGE_EVENTS if left is None else min(left, PAGE_EVENTS)
        page = await _page(store, prefix, after, most)
        if page:
            yield page
        if len(page) < most:
            return
        after = page[-1][0]
        left = None if left is None else left - most


async def _page(store: EventStore, prefix: str, after: str, limit: int) -> Streams:
    if isinstance(store, ListsStreams):
        return await store.streams(prefix, after=after, limit=limit)
    found: dict[str, int] = {}
    async for page in store.read(ALL):
        for event in page.events:
            if event.stream > after and event.stream.startswith(prefix):
                found[event.stream] = event.version
    return sorted(found.items())[:limit]
