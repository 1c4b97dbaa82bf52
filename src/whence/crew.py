"""Other processes that take part in a rebuild, for as long as it takes.

Each opens the application that the setting ``app`` names, on the databases of this one, takes its
share of the slices through leases, and ends when the tables have changed places. They go on if
the process that has started them dies.
"""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from whence.config import Setting
from whence.errors import WiringError

log = logging.getLogger("whence")

_COMMAND = (sys.executable, "-m", "whence.cli.joining")


@asynccontextmanager
async def helping(name: str, number: int, settings: Mapping[str, Setting]) -> AsyncGenerator[None]:
    """Let ``number`` other processes take part in the rebuild of ``name`` within the block."""
    said = {key: settings[key].value for key in ("app", "store", "read") if key in settings}
    if number and not {"app", "store"} <= said.keys():
        raise WiringError(
            "other processes must be able to open this application and its store: name it in"
            " WHENCE_APP or whence.toml, as in module:name, and its store by a URL"
        )
    processes: list[Process] = []
    try:
        while len(processes) < number:
            processes.append(await _started(said | {"name": name}))
        yield
    finally:
        running = [process for process in processes if process.returncode is None]
        for process in running:  # all of them, before anything is waited for
            process.terminate()
        for process in processes:
            await _ended(process, asked=process in running)


async def _started(said: Mapping[str, str]) -> Process:
    # Not among the arguments: there may be a password in it, which everybody could see there.
    # A session of its own: Ctrl-C is for us, and we end it.
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=PIPE, stdout=DEVNULL, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(said).encode())
    process.stdin.close()
    return process


async def _ended(process: Process, *, asked: bool) -> None:
    if (code := await process.wait()) and not asked:
        log.warning(
            "process %d could not take part in the rebuild: exit code %d", process.pid, code
        )
