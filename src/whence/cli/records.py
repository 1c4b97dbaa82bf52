"""Stored events as they are shown: lines for people, JSON Lines for programs.

No application is needed: what is stored is JSON, and is shown as it is stored.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.text import Text

from whence.cli.output import Output
from whence.cli.text import clean, moment, shorten
from whence.envelope import Recorded


def print_records(output: Output, events: Sequence[Recorded], *, stream: bool = True) -> None:
    """Show ``events``; ``stream`` says whether each line names its stream."""
    if output.json:
        for event in events:
            output.line(as_document(event))
        return
    widths = _widths(events)
    for event in events:
        output.out.print(_line(event, widths, stream), soft_wrap=True)


def as_document(event: Recorded) -> dict[str, Any]:
    """All that is known of ``event``. ``data`` is null, and ``raw`` its text, if it is no JSON."""
    data = _json(event.data)
    raw = {} if data else {"raw": event.data.decode(errors="backslashreplace")}
    return {
        "position": event.position,
        "stream": event.stream,
        "version": event.version,
        "type": event.type,
        "time": event.time,
        "data": data,
        **raw,
        "tags": event.tags,
        "metadata": _json(event.metadata),
        "id": event.id,
    }


def by(event: Recorded) -> str:
    """Who caused ``event``, as far as its metadata says."""
    try:
        return event.about.get("by", "")
    except msgspec.DecodeError:
        return ""


def _widths(events: Sequence[Recorded]) -> tuple[int, int, int]:
    """So much room for positions, for streams with versions, and for types."""
    return (
        max((len(str(event.position)) for event in events), default=0),
        min(max((len(_place(event)) for event in events), default=0), 40),
        min(max((len(clean(event.type)) for event in events), default=0), 40),
    )


def _line(event: Recorded, widths: tuple[int, int, int], stream: bool) -> Text:
    positions, places, types = widths
    sender = by(event)
    place = f"{_place(event):{places}}" if stream else f"v{event.version:<5}"
    return Text.assemble(
        (f"{event.position:{positions}}", "dim"),
        (f"  {moment(event.time)}  ", "dim"),
        (place, "cyan"),
        (f"  {clean(event.type):{types}}  ", "bold"),
        shorten(clean(event.data.decode(errors="backslashreplace"))),
        (f"  by {shorten(clean(sender), 80)}" if sender else "", "dim"),
    )


def _place(event: Recorded) -> str:
    return f"{clean(event.stream)} v{event.version}" if event.stream else "(no stream)"


def _json(data: bytes) -> msgspec.Raw | None:
    """``data`` as it is, on one line; None if it is no JSON."""
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return msgspec.Raw(msgspec.json.format(data, indent=-1))
