"""`whence dead`: the events that could not be handled, and what becomes of them."""

from collections.abc import Sequence

from cyclopts import App

from whence.cli.exits import DONE, PROBLEM, UsageError
from whence.cli.output import Output
from whence.cli.parameters import Flag, Given
from whence.cli.records import as_document
from whence.cli.text import clean, moment, plural
from whence.letters import Retried

app = App(
    name="dead",
    help="Events that could not be handled: look at them, try them again, leave them out.",
    help_epilogue="",
)

_ALL = "all keys"


@app.command(name="list")
async def list_(name: str | None = None, /, *, skipped: Flag = False, session: Given) -> int:
    """Show the keys whose events wait. The exit code is 9 if there are any.

    Parameters
    ----------
    name
        Of which read model or projection; of all of them if none is named.
    skipped
        Show what was left out on purpose instead, by whom and why.
    """
    async with session.open() as opened:
        dead = opened.projections.dead
        if skipped:
            left_out = await dead.skipped(name)
            return _list(session.output, left_out, _SKIPPED, DONE)
        keys = await dead.keys(name)
    code = _list(session.output, keys, _KEYS, PROBLEM if keys else DONE)
    for one in () if session.output.json else keys:
        session.output.say((f"{clean(one.projection)} {clean(str(one.key))}: ", "bold"), one.error)
    return code


@app.command
async def show(name: str, key: str, /, *, session: Given) -> None:
    """Show the events of one key that wait, in order, with their payloads.

    Parameters
    ----------
    name
        The read model or projection.
    key
        As `dead list` shows it.
    """
    async with session.open() as opened:
        events = await opened.projections.dead.events(name, key)
    if session.output.json:
        found = [{"event": as_document(one.recorded), "error": one.error} for one in events]
        session.output.document(found)
        return
    rows = [
        (
            one.recorded.position,
            one.recorded.type,
            one.recorded.data.decode(errors="replace"),
            one.error or "waits behind it",
        )
        for one in events
    ]
    session.output.table(("position", "type", "data", "error"), rows)


@app.command
async def retry(
    name: str,
    key: str | None = None,
    /,
    *,
    all: Flag = False,
    dry: Flag = False,
    session: Given,
) -> int:
    """Handle the events of a key again, in order, with today's code.

    The first that fails again waits again, and with it those behind it: the exit code is then 9.

    Parameters
    ----------
    name
        The read model or projection.
    key
        As `dead list` shows it.
    all
        Every key.
    dry
        Only see what would become of them.
    """
    if (key is None) != all:
        raise UsageError("which key? Name one, or say --all")
    async with session.open() as opened:
        done = await opened.projections.dead.retry(name, key, dry=dry)
    return _report(session.output, done, "would be handled" if dry else "handled")


@app.command
async def skip(name: str, key: str, /, *, reason: str, by: str, session: Given) -> int:
    """Leave out the first event of a key for ever, and go on with those behind it.

    It is recorded, every fold leaves it out from now on, and `whence verify` reports it.

    Parameters
    ----------
    name
        The read model or projection.
    key
        As `dead list` shows it.
    reason
        Why it may be left out.
    by
        Who says so.
    """
    if not (reason.strip() and by.strip()):
        raise UsageError("--reason and --by say why an event is left out, and who decides it")
    async with session.open() as opened:
        done = await opened.projections.dead.skip(name, key, reason=reason, by=by)
    return _report(session.output, [done], "wait no more")


_KEYS = ("projection", "key", "events", "position", "attempts", "since")
_SKIPPED = ("projection", "key", "position", "by", "at", "reason")
_MOMENTS = ("since", "at")


def _list(output: Output, found: Sequence[object], columns: tuple[str, ...], code: int) -> int:
    if output.json:
        output.document(found)
        return code
    if not found:
        output.note("nothing")
        return code
    rows = [
        [
            moment(getattr(one, name)) if name in _MOMENTS else getattr(one, name)
            for name in columns
        ]
        for one in found
    ]
    output.table(columns, rows)
    return code


def _report(output: Output, done: Sequence[Retried], handled: str) -> int:
    if output.json:
        output.document(done)
    for one in () if output.json else done:
        left = f", {plural(one.left, 'event')} still wait: {one.error}" if one.left else ""
        output.say(f"{one.projection} {one.key}: {plural(one.handled, 'event')} {handled}{left}")
    return PROBLEM if any(one.left for one in done) else DONE
