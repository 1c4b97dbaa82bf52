"""Commands that go on until somebody stops them, and end cleanly when they are."""

import asyncio
import select
import signal
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from os import fstat

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def until_stopped() -> Generator[None]:
    """Let Ctrl-C and SIGTERM end the block, wherever it waits, as if it had come to its end."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    except asyncio.CancelledError:
        if not stopped:
            raise
        task.uncancel()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def reader_is_gone() -> bool:
    """Whether nobody reads the pipe that the standard output is: without writing to it."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    if not stat.S_ISFIFO(fstat(number).st_mode):
        return False
    poll = select.poll()
    poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
