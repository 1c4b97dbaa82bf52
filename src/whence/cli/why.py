"""`whence why`: the events that made a row what it is, newest first."""

from typing import Any

import msgspec

from whence.cli.columns import model_named, value_of
from whence.cli.history import print_changes
from whence.cli.output import Output
from whence.cli.parameters import Count, Given
from whence.cli.text import clean, moment, plural, shorten
from whence.errors import NotFound
from whence.history import Changed
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
        found = value_of(spec, spec.key, key)
        reasons = await app.why(spec.cls, found, column, limit=limit + 1 if limit else None)
    if not reasons:
        what = f"the row of {key!r}" if column is None else f"{column} of {key!r}"
        raise NotFound(f"no event has ever changed {what} in {spec.name}")
    shown = reasons[:limit] if limit else reasons
    if session.output.json:
        about = {"model": spec.name, "key": key, "column": column}
        session.output.document(about | {"reasons": [_as_document(one) for one in shown]})
    else:
        for reason in shown:
            _show(reason, session.output)
        older = "; there are older ones, --limit 0 shows all" if len(shown) < len(reasons) else ""
        session.output.note(f"{plural(len(shown), 'event')} changed it{older}")


def _show(reason: Reason, output: Output) -> None:
    output.say(
        (f"{reason.position:>5}  ", "cyan"),
        (moment(reason.time), "dim"),
        (f"  {clean(reason.type)}", "bold"),
        f"  {clean(reason.stream)} v{reason.version}" if reason.stream else "",
    )
    if sender := _sender(reason):
        output.say((f"       {sender}", "dim"))
    plain = (
        Changed(one.path, to_builtins(one.before), to_builtins(one.after))
        for one in reason.changes
    )
    print_changes(list(plain), output)


def _sender(reason: Reason) -> str:
    """Which command it comes from, and who sent that, as far as it is known."""
    by = f"by {shorten(clean(reason.by), 80)}" if reason.by else ""
    return "  ".join(part for part in (clean(reason.command or ""), by) if part)


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
