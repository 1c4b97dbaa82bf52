"""`whence verify`: are the rows of the read models what the log makes of them?"""

from typing import Any

from whence.app import App
from whence.cli.columns import value_of
from whence.cli.exits import DONE, PROBLEM, UsageError
from whence.cli.messages import unknown
from whence.cli.output import Output
from whence.cli.parameters import Flag, Given, Many
from whence.cli.text import cell, plural
from whence.plain import to_builtins
from whence.readmodels import ReadModelSpec
from whence.verifying import Difference, Verified

_SHOWN = 50
"""Differences that people are shown, at most."""


async def verify(
    name: str | None = None,
    /,
    *,
    sample: float | None = None,
    all: Flag = False,
    key: Many = (),
    repair: Flag = False,
    session: Given,
) -> int:
    """Fold read models afresh from the log, and compare every row with what is kept.

    Nothing has to stand still meanwhile. The exit code is 9 if a row differs and was not
    repaired.

    Parameters
    ----------
    name
        Which read model; all of them if none is named.
    sample
        Only so many percent of the keys, others each time.
    all
        Every key, which is the default too.
    key
        Only the row of this key. May be repeated.
    repair
        Write the rows that differ, and no others, as they should be.
    """
    if sum((sample is not None, all, bool(key))) > 1:
        raise UsageError("--sample, --all and --key say different things: say one of them")
    if key and name is None:
        raise UsageError("--key of which read model? Name it")
    if sample is not None and not 0 < sample <= 100:
        raise UsageError(f"--sample is more than 0 and at most 100 percent, not {sample:g}")
    async with session.open() as app:
        wanted = _wanted(app, name)
        if name is None:
            wanted = [one for one in wanted if await _has_rows(app, one, session.output)]
        done = [await _verify(app, spec, sample, key, repair, session.output) for spec in wanted]
    if session.output.json:
        session.output.document([as_document(one) for one in done])
    return DONE if all_in_sync(done) else PROBLEM


def all_in_sync(done: list[Verified[Any]]) -> bool:
    """Whether there is nothing left to mend anywhere."""
    return all(one.in_sync for one in done)


def as_document(found: Verified[Any]) -> dict[str, Any]:
    """What ``--json`` says of one read model."""
    return {
        "name": found.name,
        "in_sync": found.in_sync,
        "position": found.position,
        "rows": found.rows,
        "found": found.found,
        "mended": found.mended,
        "parked": found.parked,
        "beyond": found.beyond,
        "skipped": [{"key": key, "position": at} for key, at in sorted(found.skipped)],
        "differences": [_document(one) for one in found.differences],
    }


def _wanted(app: App, name: str | None) -> list[ReadModelSpec[Any]]:
    known = {spec.name: spec for spec in app.wiring.specs() if spec.kind != "live"}
    classes = {spec.cls.__name__: spec for spec in known.values()}
    if name is None:
        return list(known.values())
    if name not in known | classes:
        raise UsageError(unknown("read model", name, sorted(known)))
    return [(known | classes)[name]]


async def _has_rows(app: App, spec: ReadModelSpec[Any], output: Output) -> bool:
    """Whether there is anything to verify, and has to be."""
    state = (await app.projections.status(spec.cls)).state
    if state in ("new", "retired"):
        output.note(f"{spec.name}: {state}, so there is nothing to verify")
        return False
    return True


async def _verify(
    app: App,
    spec: ReadModelSpec[Any],
    sample: float | None,
    key: tuple[str, ...],
    repair: bool,
    output: Output,
) -> Verified[Any]:
    keys = [value_of(spec, spec.key, one) for one in key] if key else None
    seen = 0
    with output.progress(f"verifying {spec.name}", await app.running.store.head()) as advance:

        def progress(position: int, _: int) -> None:
            nonlocal seen
            advance(position - seen)
            seen = position

        found = await app.verify(
            spec.cls, sample=sample, keys=keys, repair=repair, progress=progress
        )
    if not output.json:
        _print(found, output)
    return found


def _document(one: Difference[Any]) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "key": to_builtins(one.key),
        "kept": to_builtins(one.kept),
        "fresh": to_builtins(one.fresh),
        "mended": one.mended,
        "events": [
            {"position": event.position, "type": event.type, "stream": event.stream}
            for event in one.events
        ],
    }


def _print(found: Verified[Any], output: Output) -> None:
    rows = [
        (
            cell(to_builtins(one.key)),
            one.kind + (", repaired" if one.mended else ""),
            _changes(one),
            _events(one),
        )
        for one in found.differences[:_SHOWN]
    ]
    if rows:
        output.table(("key", "is", "kept and folded afresh", "events"), rows)
    if found.found > len(rows):
        output.note(f"{_differ(found.found - len(rows), 'more ')}; --json names them")
    result = f"{found.name}: {plural(found.rows, 'row')} compared, as of {found.position}; "
    if found.found:
        result += _differ(found.found)
        result += ", all repaired" if found.mended == found.found else ": --repair writes them"
    else:
        result += "all as the log says"
    output.say(result)
    if found.beyond is not None:
        output.note(f"its checkpoint claims {found.beyond}, which the log has not reached")
    if found.parked:
        output.note(
            f"{plural(found.parked, 'event')} parked, and left out: see `whence dead list`"
        )
    if found.skipped:
        output.note(f"{plural(len(found.skipped), 'event')} skipped on purpose, and left out")


def _changes(one: Difference[Any]) -> str:
    if one.kept is None or one.fresh is None:
        return "no row, but there should be one" if one.kept is None else "a row of no events"
    return "; ".join(
        f"{change.path}: {cell(to_builtins(change.before))} -> {cell(to_builtins(change.after))}"
        for change in one.changes
    )


def _events(one: Difference[Any]) -> str:
    named = [f"{event.type} at {event.position}" for event in one.events[-3:]]
    return ", ".join(["..."] * (len(one.events) > len(named)) + named)


def _differ(rows: int, more: str = "") -> str:
    return f"{rows:,} {more}{'differs' if rows == 1 else 'differ'}"
