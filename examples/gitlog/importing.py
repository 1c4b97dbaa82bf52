"""Importing a history: one command per commit, in their order, through the bus.

One after the other: all go to one stream, where several at once would only wait in line.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

from gitlog.commits import RecordCommit
from gitlog.sources import Source
from whence import App

Progress = Callable[[int, int | None], None]
"""Told how many commits are done, of how many."""

_AHEAD = 200
"""So many commits are read before they are sent. The rest stays where it is."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has done."""

    repository_id: str
    commits: int
    new: int
    """Those that had not been recorded before."""
    changes: int
    """In the new ones."""
    position: int
    """A read model that has reached it shows all of them."""


async def import_history(
    app: App, source: Source, repository_id: str = "", progress: Progress | None = None
) -> Imported:
    """Send every commit of ``source`` to its repository in ``app``, which is open.

    Safe to repeat, and to go on with after an interruption: a command's id is its commit's.
    Raises `NoHistory` if the source cannot be read, and `Rejected` at a commit that does not
    follow what is recorded already, as when a history was rewritten.
    """
    repository_id = repository_id or source.name
    done = new = changes = position = 0
    async with aclosing(_ahead(source.commits(repository_id))) as commands:
        async for command in commands:
            receipt = await app.send(command, id=f"{repository_id}:{command.commit}")
            done, position = done + 1, max(position, receipt.position)
            if not receipt.duplicate:
                new, changes = new + 1, changes + len(command.changes)
            if progress is not None:
                progress(done, source.total)
    return Imported(repository_id, done, new, changes, position)


async def _ahead(
    commands: Generator[RecordCommit, None, None],
) -> AsyncGenerator[RecordCommit, None]:
    """``commands``, read in a thread a few at a time: nobody waits for a file or for git."""

    def read() -> list[RecordCommit]:
        return list(islice(commands, _AHEAD))

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, "gitlog") as reader:
        try:
            while batch := await loop.run_in_executor(reader, read):
                for command in batch:
                    yield command
        finally:
            reader.submit(commands.close)
