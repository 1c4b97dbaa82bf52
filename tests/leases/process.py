"""A worker in a process of its own: ``python process.py '{"url": "...", ...}'``.

It says "ready", and joins when it is told to by a line on its input. Then it writes to each slice
that it owns, page after page, and notes what it believed to own at which time, on a clock that
all processes of a machine share. SIGTERM lets it leave.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

_TRUE = time.clock_gettime
_WRITE = """
with moved as (update counters set n = n + 1 where slice = %s returning n)
insert into history (slice, n, epoch, pid) select %s, n, %s, %s from moved
"""


def now() -> float:
    """The same in all processes of this machine, whatever the clocks of this one say."""
    return _TRUE(time.CLOCK_MONOTONIC)


def put_clocks_forward(seconds: float) -> None:
    """As on a machine with a wrong clock that was started at another time."""
    true_time, true_monotonic = time.time, time.monotonic
    time.time = lambda: true_time() + seconds
    time.monotonic = lambda: true_monotonic() + seconds
    time.clock_gettime = lambda which: _TRUE(which) + seconds


def say(word: str) -> None:
    print(word, flush=True)


def notes_in(folder: str) -> TextIO:
    return Path(folder, f"{os.getpid()}.notes").open("w")


async def work(options: dict[str, Any]) -> None:
    """Own and write until SIGTERM; leave and come again every ``each`` seconds, if given."""
    from sqlalchemy import Engine, create_engine
    from sqlalchemy.exc import DBAPIError

    from whence.backends.sql.leases import Leases
    from whence.subscribers import Overtaken

    def write(epochs: dict[int, int]) -> None:
        """One page: prove the epochs, write, and take some time before the commit."""
        try:
            with engine.begin() as connection:
                leases.fence(connection, "balance", epochs)
                for number, epoch in sorted(epochs.items()):
                    values = number, number, epoch, os.getpid()
                    connection.exec_driver_sql(_WRITE, values)
                say("writing")
                time.sleep(options.get("hold", 0))
        except (Overtaken, DBAPIError) as error:
            say(f"refused {type(error).__name__}")

    def connect() -> Engine:
        return create_engine(options["url"].replace("postgresql:", "postgresql+psycopg:"))

    engine, leases = connect(), Leases(connect(), seconds=options["seconds"])
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    say("ready")
    sys.stdin.readline()
    await leases.join("balance", options["slices"])
    until = now() + options.get("each", 1e9)
    with notes_in(options["folder"]) as notes:
        while not stopping.is_set():
            before = now()
            epochs = dict(await leases.owned("balance"))
            notes.write(json.dumps([before, now(), epochs]) + "\n")
            notes.flush()
            if epochs:
                await asyncio.to_thread(write, epochs)
            else:
                await leases.changed("balance", {}, 0.05)
            if now() > until:
                await leases.leave("balance")
                await leases.join("balance", options["slices"])
                until = now() + options["each"]
    await leases.close()
    engine.dispose()
    say("left")


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    put_clocks_forward(given.get("forward", 0))
    asyncio.run(work(given))
