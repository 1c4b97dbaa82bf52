"""`whence read`: rows of read models, as they are, as they were, and what differs."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from cyclopts import Parameter

from whence.app import App
from whence.cli.catching_up import catch_up
from whence.cli.columns import model_named, value_of, values_of
from whence.cli.exits import UsageError
from whence.cli.output import Output
from whence.cli.parameters import Count, Flag, Given, Many, OptionalCount, Ordered, Pair, Text
from whence.cli.text import plural
from whence.cli.watch import follow
from whence.errors import NotFound
from whence.plain import to_builtins
from whence.queries import Rows
from whence.readmodels import ReadModelSpec
from whence.temporal import Progress, position_of, when


async def read(
    model: str,
    key: str | None = None,
    /,
    *,
    where: Many = (),
    order: Ordered = (),
    limit: Count = 100,
    after: OptionalCount = None,
    as_of: Text = None,
    diff: Pair = None,
    watch: Annotated[Flag, Parameter(alias="-w")] = False,
    session: Given,
) -> None:
    """Show the rows of a read model, up to date with all that is stored, or as they were.

    A moment is a position, as in 3, or a time, as in 2026-11-01 or 2026-11-01T09:30+01:00; a time
    without a zone is UTC.

    Parameters
    ----------
    model
        Its name, as in balance or Balance.
    key
        Show only the row of this key.
    where
        Only rows in which a column has this value, as in owner=alice. May be repeated.
    order
        In the order of this column; -balance for the largest first. May be repeated.
    limit
        At most so many rows; 0 for all.
    after
        It is enough that the rows show everything up to this position, as a receipt names it.
    as_of
        Show them as they were at this moment.
    diff
        Show what changed between these two moments instead.
    watch
        Show the row of the key, and each change of it, until Ctrl-C.
    """
    _check(key, as_of, diff, watch)
    output = session.output
    if watch:
        await follow(session, model, key or "")
        return
    async with session.open() as app:
        spec = model_named(app, model)
        if diff is not None:
            await _differences(app, spec, where, diff, limit, output)
            return
        rows, position = await _rows(app, spec, after, as_of, key is None, output)
        try:
            if key is not None:
                await _one(rows, spec, key, position, output)
            else:
                await _many(_chosen(rows, spec, where, order), spec, limit, position, output)
        finally:
            if as_of is None:
                await _say_parked(app, spec, output)


async def _say_parked(app: App, spec: ReadModelSpec[Any], output: Output) -> None:
    """Say that rows are late, if any are: they do not show it themselves."""
    followed = app.running.reads.subscriptions.by_name.get(spec.name)
    parked = 0 if followed is None else (await followed.status()).parked
    if parked and not output.json:
        output.note(f"{plural(parked, 'key')} parked, whose rows are late: see `whence dead list`")


def _check(key: str | None, as_of: str | None, diff: Pair, watch: bool) -> None:
    """Raise `UsageError` for what does not go together."""
    if watch and (key is None or as_of or diff):
        raise UsageError("--watch shows one row as it is now: whence read MODEL KEY --watch")
    if diff and (key is not None or as_of):
        raise UsageError("--diff shows all rows that differ: choose with --where COLUMN=VALUE")


async def _rows(
    app: App,
    spec: ReadModelSpec[Any],
    after: int | None,
    as_of: str | None,
    all: bool,
    output: Output,
) -> tuple[Rows[Any], int]:
    """The rows of the moment that is meant, folded so far that they can answer; its position."""
    rows = app.read(spec.cls)
    if as_of is not None:
        position = await _position(app, as_of)
        if all:
            with _folding(spec, position, output) as progress:
                await rows.as_of(position, progress).count()
        return rows.as_of(position), position
    if spec.kind == "live":
        return rows, await app.running.store.head()
    return rows, await catch_up(app, [spec.name], output, after)


async def _one(
    rows: Rows[Any], spec: ReadModelSpec[Any], key: str, position: int, output: Output
) -> None:
    row = await rows.get(value_of(spec, spec.key, key))
    if row is None:
        raise NotFound(f"{spec.name} has no row of {key!r}, as of position {position}")
    plain = to_builtins(row)
    if output.json:
        output.document({"model": spec.name, "position": position, "row": plain})
    else:
        output.table(("column", "value"), plain.items())
        output.note(f"{spec.name} as of position {position}")


async def _many(
    rows: Rows[Any], spec: ReadModelSpec[Any], limit: int, position: int, output: Output
) -> None:
    total = await rows.count()
    found = [to_builtins(row) for row in await (rows.limit(limit) if limit else rows)]
    if output.json:
        about = {"model": spec.name, "position": position, "count": total}
        output.document(about | {"rows": found})
        return
    columns = [*(column.name for column in spec.columns), "version"]
    output.table(columns, [[row[name] for name in columns] for row in found])
    part = f"{len(found):,} of " if len(found) < total else ""
    more = "; --limit 0 shows all" if part else ""
    output.note(f"{part}{plural(total, 'row')} of {spec.name} as of position {position}{more}")


async def _differences(
    app: App,
    spec: ReadModelSpec[Any],
    where: Sequence[str],
    diff: tuple[str, str],
    limit: int,
    output: Output,
) -> None:
    before, after = await _position(app, diff[0]), await _position(app, diff[1])
    rows = app.read(spec.cls).where(**values_of(spec, where))
    with _folding(spec, max(before, after), output) as progress:
        found = await rows.diff(before, after, progress)
    shown = found[:limit] if limit else found
    if output.json:
        about = {"model": spec.name, "before": before, "after": after, "count": len(found)}
        changes = [to_builtins(one) | {"kind": one.kind} for one in shown]
        output.document(about | {"changes": changes})
        return
    lines = [
        (one.key, one.kind, change.path, change.before, change.after)
        for one in shown
        for change in one.changes
    ]
    output.table(("key", "what", "column", f"at {diff[0]}", f"at {diff[1]}"), to_builtins(lines))
    more = (
        f", {len(shown):,} of them shown; --limit 0 shows all" if len(shown) < len(found) else ""
    )
    output.note(f"{plural(len(found), 'row')} of {spec.name} changed{more}")


@contextmanager
def _folding(spec: ReadModelSpec[Any], until: int, output: Output) -> Generator[Progress]:
    """Shows how far the log is folded."""
    done = 0
    with output.progress(f"folding {spec.name}", until) as advance:

        def progress(position: int, _: int) -> None:
            nonlocal done
            advance(position - done)
            done = position

        yield progress


async def _position(app: App, said: str) -> int:
    try:
        moment = int(said) if said.isdecimal() else when(said)
    except ValueError as error:
        raise UsageError(
            f"{said!r} is no moment: write a position, as in 3, or a time, as in 2026-11-01"
        ) from error
    return await position_of(app.running.store, moment)


def _chosen(
    rows: Rows[Any], spec: ReadModelSpec[Any], where: Sequence[str], order: Sequence[str]
) -> Rows[Any]:
    rows = rows.where(**values_of(spec, where))
    return rows.order_by(*order) if order else rows.order_by(spec.key)
