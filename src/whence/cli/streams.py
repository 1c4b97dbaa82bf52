"""`whence streams` and `whence show`: what is stored, as it is stored."""

from dataclasses import dataclass
from datetime import datetime

from whence.cli.output import Output
from whence.cli.records import print_records
from whence.cli.session import Given
from whence.cli.text import moment, plural
from whence.errors import NotFound
from whence.store import ALL, EventStore, Page, in_stream


@dataclass(slots=True)
class _Stream:
    """What is known of one stream."""

    stream: str
    version: int
    first: datetime
    last: datetime


async def streams(prefix: str = "", *, session: Given) -> None:
    """List the streams with their versions, the latest last.

    Parameters
    ----------
    prefix
        Only those whose names start so, as in account-.
    """
    output = session.output
    async with session.events() as store:
        found = await _found(store, prefix, output)
    if output.json:
        for one in found:
            output.line(one)
        return
    rows = [(one.stream, one.version, moment(one.first), moment(one.last)) for one in found]
    output.table(("stream", "version", "first event", "last event"), rows)
    output.note(plural(len(rows), "stream"))


async def show(
    stream: str,
    *,
    after: int = 0,
    limit: int | None = None,
    backwards: bool = False,
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
        At most so many.
    backwards
        The latest first.
    """
    given = 0
    async with session.events() as store:
        most = None if limit is None else limit if backwards else after + limit
        async for page in store.read(in_stream(stream), backwards=backwards, limit=most):
            wanted = [event for event in page.events if event.version > after]
            print_records(session.output, wanted, stream=False)
            given += len(page.events)
    if not given:
        raise NotFound(f"there is no stream {stream!r}: `whence streams` lists those that are")


async def _found(store: EventStore, prefix: str, output: Output) -> list[_Stream]:
    found: dict[str, _Stream] = {}
    with output.progress("reading", await store.head()) as advance:
        read = 0
        async for page in store.read(ALL):
            _count(page, prefix, found)
            advance(page.scanned - read)
            read = page.scanned
    return list(found.values())


def _count(page: Page, prefix: str, found: dict[str, _Stream]) -> None:
    for event in page.events:
        if event.stream.startswith(prefix) and event.stream:
            known = found.pop(event.stream, None)
            first = event.time if known is None else known.first
            found[event.stream] = _Stream(event.stream, event.version, first, event.time)
