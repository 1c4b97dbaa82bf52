"""A process that sends commands: ``python -m tests.inline.worker '{...}'``.

It may kill itself: ``"die": ["before", "whence.backends.sql.inlining:OnSqlite.__call__", 3]``.
"""

import asyncio
import json
import sys
from typing import Any

from tests.faults import dying
from whence import App

from ..accounts import Account, Deposit
from . import accounts

MODELS: dict[str, tuple[Any, ...]] = {
    "balance": (accounts.Balance,),
    "doubled": (accounts.Doubled,),
    "none": (),
}


async def work(options: dict[str, Any]) -> None:
    app = App("bank", Account, *MODELS[options["model"]], store=options["url"])
    async with app:
        print("ready", flush=True)
        if die := options.get("die"):
            dying.install(*die)
        for n in range(options["commands"]):
            account = f"A{n % 7}"
            await app.send(Deposit(account, 1, times=1 + n % 2))
            print(n, flush=True)


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.argv[1])))
