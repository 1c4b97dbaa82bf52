"""`whence worker`: projections in a process of their own."""

import asyncio
import logging
from collections.abc import Sequence

from whence.app import App
from whence.cli.output import Output
from whence.cli.parameters import Given
from whence.cli.projections import as_document
from whence.cli.stopping import until_stopped
from whence.status import Status

_LOOK = 0.5
"""Seconds between two looks at the projections."""


async def worker(*, session: Given) -> None:
    """Keep the read models up to date until it is stopped, with Ctrl-C or SIGTERM.

    It says when a projection's state changes. Several workers may run. On PostgreSQL they share
    the work, and say so when slices of it change hands.
    """
    output = session.output
    log = logging.getLogger("whence")
    log.addHandler(logging.StreamHandler(output.err.file))
    log.setLevel(logging.INFO)
    with until_stopped():
        async with session.open(projecting=True, new=True) as app:
            names = ", ".join(app.running.reads.subscriptions.by_name)
            output.note(f"projecting {names or 'nothing'}; Ctrl-C stops it")
            await _watch(app, output)
    output.note("stopped")


async def _watch(app: App, output: Output) -> None:
    said: dict[str, str] = {}
    while True:
        await _report(await app.running.reads.subscriptions.status(), said, output)
        await asyncio.sleep(_LOOK)


async def _report(statuses: Sequence[Status], said: dict[str, str], output: Output) -> None:
    """Say what has changed since it was ``said``."""
    for status in statuses:
        if said.get(status.name) == status.state:
            continue
        said[status.name] = status.state
        if output.json:
            output.line(as_document(status))
        else:
            output.say(f"{status.name}: {status.state} at position {status.position:,}")
    output.flush()
