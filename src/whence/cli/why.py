"""`whence why`: the events that made a row what it is, newest first."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from whence.cli.columns import model_named, value_of
from whence.cli.output import Output
from whence.cli.parameters import Count, Given
from whence.cli.text import moment, plural
from whence.errors import NotFound
from whence.plain import to_builtins
from whence.why import Reason


async def why(
    model: str, key: str, column: str | None = None, /, *, limit: Count = 20, session: Given
) -> None:
    """Show why a row is as it is: which events changed it, who sent them, and when; newest first.

    Parameters
    ----------
    model
        The read model's name, as in balance or Balance.
    key
        The key of the row.
    column
        Only what changed this column.
    limit
        The latest so many events; 0 for all.
    """
    async with session.open() as app:
        spec = model_named(app, model)
        if column is not None:
            spec.column(column)
        found = value_of(spec.key_column.hint, key, spec.key)
        reasons = await app.why(spec.cls, found, column, limit=limit + 1 if limit else None)
    if not reasons:
        what = f"the row of {key!r}" if column is None else f"{column} of {key!r}"
        raise NotFound(f"no event has ever changed {what} in {spec.name}")
    shown = reasons[:limit] if limit else reasons
    if session.output.json:
        about = {"model": spec.name, "key": key, "column": column}
        session.output.document(about | {"reasons": [_as_document(one) for one in shown]})
    else:
        _show(shown, session.output)
        older = "; there are older ones, --limit 0 shows all" if len(shown) < len(reasons) else ""
        session.output.note(f"{plural(len(shown), 'event')} changed it{older}")


def _show(reasons: Sequence[Reason], output: Output) -> None:
    columns = ("position", "time", "event", "of", "command", "by", "what", "before", "after")
    output.table(columns, (line for reason in reasons for line in _lines(reason)))


def _lines(reason: Reason) -> Iterator[tuple[Any, ...]]:
    """A line for each column that it changed; the event is named once."""
    where = f"{reason.stream} v{reason.version}" if reason.stream else ""
    told: tuple[Any, ...] = (
        *(reason.position, moment(reason.time), reason.type),
        *(where, reason.command, reason.by),
    )
    for change in reason.changes:
        yield (*told, change.path, to_builtins(change.before), to_builtins(change.after))
        told = ("",) * len(told)


def _as_document(reason: Reason) -> dict[str, Any]:
    return {
        "position": reason.position,
        "time": reason.time,
        "type": reason.type,
        "data": msgspec.Raw(msgspec.json.format(reason.recorded.data, indent=-1)),
        "stream": reason.stream,
        "version": reason.version,
        "command": reason.command,
        "command_id": reason.command_id,
        "by": reason.by,
        "correlation": reason.correlation,
        "causation": reason.causation,
        "changes": to_builtins(reason.changes),
    }
