"""`whence read` and `whence ask`: answers from read models that have caught up."""

from collections.abc import Sequence
from typing import Any, TypeGuard, cast

import msgspec

from whence.app import App
from whence.cli.catching_up import catch_up
from whence.cli.exits import UsageError
from whence.cli.messages import make, pairs, unknown
from whence.cli.output import Output
from whence.cli.parameters import Count, Given, Many, OptionalCount, Ordered, Text
from whence.cli.text import cell, plural
from whence.codec import from_plain, to_builtins
from whence.errors import Invalid, NotFound
from whence.queries import Rows
from whence.readmodels import ReadModelSpec


async def read(
    model: str,
    key: str | None = None,
    /,
    *,
    where: Many = (),
    order: Ordered = (),
    limit: Count = 100,
    after: OptionalCount = None,
    session: Given,
) -> None:
    """Show the rows of a read model, up to date with all that is stored.

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
    """
    output = session.output
    async with session.open() as app:
        spec = _spec(app, model)
        position = await catch_up(app, [spec.name], output, after)
        rows = app.read(spec.cls)
        if key is not None:
            await _one(rows, spec, key, position, output)
        else:
            await _many(_chosen(rows, spec, where, order), spec, limit, position, output)


async def ask(query: str, /, *fields: str, json_input: Text = None, session: Given) -> None:
    """Ask a query, and show its answer.

    Parameters
    ----------
    query
        Its name, as in FindAccounts.
    fields
        What it asks: owner=al as text, limits:=[1,2] as JSON.
    json_input
        The fields as a JSON object; - reads it from the standard input.
    """
    async with session.open() as app:
        question = make(app.wiring.queries, "query", query, fields, json_input)
        await catch_up(app, list(app.running.subscriptions.by_name), session.output)
        answer = to_builtins(await app.ask(question))
    if session.output.json:
        session.output.document(answer)
    else:
        _show(answer, session.output)


async def _one(
    rows: Rows[Any], spec: ReadModelSpec[Any], key: str, position: int, output: Output
) -> None:
    row = await rows.get(_value(spec.key_column.hint, key, spec.key))
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


def _chosen(
    rows: Rows[Any], spec: ReadModelSpec[Any], where: Sequence[str], order: Sequence[str]
) -> Rows[Any]:
    values = {
        name: _value(spec.column(name).hint, text, name) for name, text in pairs(where).items()
    }
    for name in order:
        if name.removeprefix("-") != "version":
            spec.column(name.removeprefix("-"))
    rows = rows.where(**values)
    return rows.order_by(*order) if order else rows.order_by(spec.key)


def _spec(app: App, name: str) -> ReadModelSpec[Any]:
    specs = app.wiring.specs()
    for spec in specs:
        if name in (spec.name, spec.cls.__name__):
            return spec
    raise UsageError(unknown("read model", name, [spec.name for spec in specs]))


def _value(hint: Any, text: Any, name: str) -> Any:
    try:
        value = msgspec.convert(text, hint, strict=False, dec_hook=from_plain)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise Invalid("the question", {name: str(error)}) from error
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise Invalid("the question", {name: "no column holds a number of this size"})
    return value


def _show(answer: Any, output: Output) -> None:
    """An answer for people: a table if it is rows, else as it is."""
    if answer is None or answer == []:
        output.note("nothing found")
    elif _is_rows(answer):
        columns = list(dict.fromkeys(name for row in answer for name in row))
        output.table(columns, [[row.get(name) for name in columns] for row in answer])
    elif _is_object(answer):
        output.table(("field", "value"), list(answer.items()))
    else:
        output.say(cell(answer))


def _is_rows(answer: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(answer, list) and all(map(_is_object, cast("list[object]", answer)))


def _is_object(answer: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(answer, dict)
