"""`whence ask`: the answer of a query's handler, from read models that have caught up."""

from typing import Any, TypeGuard, cast

from whence.cli.catching_up import catch_up
from whence.cli.messages import make
from whence.cli.output import Output
from whence.cli.parameters import Given, Text
from whence.cli.text import cell
from whence.plain import to_builtins


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
        await catch_up(app, list(app.running.reads.subscriptions.by_name), session.output)
        answer = to_builtins(await app.ask(question))
    if session.output.json:
        session.output.document(answer)
    else:
        _show(answer, session.output)


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
