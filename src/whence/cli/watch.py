"""`whence read ... --watch`: a row, and then each change of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from whence.cli.columns import model_named, value_of
from whence.cli.output import Output
from whence.cli.session import Session
from whence.cli.stopping import reader_is_gone, until_stopped
from whence.cli.text import cell
from whence.plain import to_builtins
from whence.readmodels import ReadModelSpec
from whence.temporal import differing

_LOOK = 1.0
"""Seconds between two looks whether anybody still reads."""


async def follow(session: Session, model: str, key: str) -> None:
    """Show the row of ``key``, and each change of it, until somebody stops it."""
    output, before, first = session.output, None, True
    with until_stopped():
        async with session.open() as app:
            spec = model_named(app, model)
            found = value_of(spec, spec.key, key)
            async with aclosing(app.read(spec.cls).watch(found)) as watched:
                async for row in _while_read(watched):
                    _show(spec, before, row, first, output)
                    output.flush()
                    before, first = row, False


async def _while_read(watched: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """What is watched, as long as anybody reads it."""
    end = object()
    while True:
        coming = asyncio.ensure_future(anext(watched, end))
        try:
            while not coming.done():
                if reader_is_gone():
                    return
                await asyncio.wait([coming], timeout=_LOOK)
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        if (row := coming.result()) is end:
            return
        yield row


def _show(spec: ReadModelSpec[Any], before: Any, row: Any, first: bool, output: Output) -> None:
    """One JSON object a line; for people a line for the first value, and one for each change."""
    if output.json:
        output.line({"model": spec.name, "row": to_builtins(row)})
        return
    if row is None:
        output.say("there is no such row" if first else "the row is gone")
        return
    changes = differing(spec, before, row)
    told = ", ".join(
        f"{change.path}: {_was(change.before)}{cell(to_builtins(change.after))}"
        for change in changes
    )
    output.say((f"version {row.version:<6}", "cyan"), told or "nothing else changed")


def _was(value: Any) -> str:
    return "" if value is None else f"{cell(to_builtins(value))} -> "
