"""A process that sends commands for as long as it lives, and writes down what it was told.

    python -m tests.soak.writer URL HISTORY

Each line of the history is one word and an id: ``try`` before a command is sent, ``ack`` once it
is answered, ``no`` if it was refused. What has only a ``try`` may be stored or not.
"""

import asyncio
import os
import random
import sys

from whence import App, Rejected, WhenceError
from whence.envelope import new_id

from .accounts import Deposit, Withdraw, app

_ACCOUNTS = 12
_AT_ONCE = 4


async def send(app: App, history: int) -> None:
    while True:
        id, account = new_id(), f"A{random.randrange(_ACCOUNTS)}"
        make = random.choice([Deposit, Deposit, Withdraw])
        note(history, "try", id)
        try:
            await app.send(make(account, random.randrange(1, 10)), id=id)
        except Rejected:
            note(history, "no", id)
        except WhenceError:  # the server is away: nobody knows
            await asyncio.sleep(0.1)
        else:
            note(history, "ack", id)


def note(history: int, word: str, id: str) -> None:
    """One write each: whole, or not there."""
    os.write(history, f"{word} {id}\n".encode())


async def main(url: str, path: str) -> None:
    history = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with app.using(store=url, projecting=False) as opened:
        await asyncio.gather(*(send(opened, history) for _ in range(_AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
