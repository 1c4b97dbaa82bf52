"""`whence rebuild`: make read models anew, as a whole or some rows of one."""

from collections.abc import Sequence
from time import monotonic
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from whence.app import App
from whence.cli.columns import model_named, value_of, values_of
from whence.cli.exits import UsageError
from whence.cli.messages import unknown
from whence.cli.output import Output
from whence.cli.parameters import Flag, Given, Many
from whence.cli.text import plural
from whence.readmodels import ReadModelSpec
from whence.subscriptions import Subscription

Workers = Annotated[int, Parameter(validator=Number(gte=1, lte=64))]


async def rebuild(
    name: str | None = None,
    /,
    *,
    all: Flag = False,
    live: Flag = False,
    workers: Workers = 1,
    key: Many = (),
    where: Many = (),
    session: Given,
) -> None:
    """Make a read model anew from the first event on, beside the live one, then switch.

    Queries see the old rows until they see the new ones. A rebuild that was broken off goes on
    where it was. With --key or --where, only some rows are made anew, in place.

    Parameters
    ----------
    name
        Which one, as `projections` calls it.
    all
        Every one of them, one after the other.
    live
        Keep the old rows up to date meanwhile, as `worker` does: for when no worker runs.
    workers
        So many processes share the work. SQLite has one writer, so there it is always one.
    key
        Only the row of this key. May be repeated.
    where
        Only rows in which a column has this value, as in owner=alice. May be repeated.
    """
    _check(name, all, live or workers > 1, bool(key or where))
    async with session.open(projecting=live) as app:
        if key or where:
            done = [await _rows(app, model_named(app, name or ""), key, where, session.output)]
        else:
            wanted = _wanted(app, name)
            done = [await _rebuild(app, one, workers, session.output) for one in wanted]
    if session.output.json:
        session.output.document(done)


def _check(name: str | None, all: bool, how: bool, part: bool) -> None:
    """Raise `UsageError` for what does not go together."""
    if (name is None) != all:
        raise UsageError("which one? Name a read model, or say --all")
    if part and (all or how):
        raise UsageError("--key and --where make some rows of one read model anew, in place")


def _wanted(app: App, name: str | None) -> Sequence[Subscription]:
    known = app.running.reads.subscriptions.by_name
    if name is not None and name not in known:
        raise UsageError(unknown("read model", name, sorted(known)))
    return list(known.values()) if name is None else [known[name]]


async def _rebuild(
    app: App, subscription: Subscription, workers: int, output: Output
) -> dict[str, Any]:
    start, seen = monotonic(), 0
    if workers > 1 and not subscription.can_be_shared:
        output.note(
            f"{subscription.name} is made anew by one process: its database has one writer"
        )
    total = (await subscription.status()).head
    with output.progress(f"rebuilding {subscription.name}", total) as advance:

        def progress(position: int, head: int) -> None:
            nonlocal seen
            advance(position - seen)
            seen = position

        await app.projections.rebuild(subscription.name, progress, workers=workers)
    status, seconds = await subscription.status(), monotonic() - start
    if not output.json:
        position = f"{status.position:,}"
        output.say(f"{status.name}: rebuilt, at position {position}, in {seconds:.1f} s")
    if status.parked:
        keys = plural(status.parked, "key")
        output.note(f"{keys} parked, since an event could not be handled; the rest is up to date")
    document = {"name": status.name, "position": status.position, "parked": status.parked}
    return document | {"seconds": round(seconds, 3)}


async def _rows(
    app: App, spec: ReadModelSpec[Any], key: Sequence[str], where: Sequence[str], output: Output
) -> dict[str, Any]:
    keys = [value_of(spec, spec.key, one) for one in key]
    if where:
        chosen = values_of(spec, where)
        keys += [getattr(row, spec.key) for row in await app.read(spec.cls).where(**chosen).all()]
    found = await app.verify(spec.cls, keys=keys, repair=True)
    if not output.json:
        said = plural(found.rows, "row")
        output.say(f"{spec.name}: {said} folded afresh, {found.mended:,} written")
    return {"name": spec.name, "position": found.position, "rows": found.rows} | {
        "written": found.mended
    }
