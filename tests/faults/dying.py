"""A process that projects and kills itself at one point.

A point is a function of whence, and whether to die before or after its n-th call:
``["before", "whence.backends.sql.tables:RowTable.store", 2]``.
"""

import asyncio
import inspect
import os
import signal
from importlib import import_module
from typing import Any

from whence.app import App
from whence.backends.sql import building, folding, leases

from ..readside import counters as kit


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(moment: str, function: str, times: int) -> None:
    """Die at the n-th call of ``function``."""
    module, _, path = function.partition(":")
    owner: Any = import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original, left = getattr(owner, name), times

    def count(now: str) -> None:
        nonlocal left
        left -= now == moment
        if left == 0:
            die()

    async def dying_later(*args: Any, **options: Any) -> Any:
        count("before")
        result = await original(*args, **options)
        count("after")
        return result

    def dying(*args: Any, **options: Any) -> Any:
        count("before")
        result = original(*args, **options)
        count("after")
        return result

    setattr(owner, name, dying_later if inspect.iscoroutinefunction(original) else dying)


def quicken() -> None:
    """Smaller steps, and shorter leases, so that there are more points to die at."""
    folding.RowFollower.at_once = 1
    building._CHANGED = 20  # pyright: ignore[reportPrivateUsage]
    leases.LEASE = 1.5


async def project(options: dict[str, Any]) -> None:
    model = kit.MODELS[options["model"]]
    app = kit.counters(options["read"], model, store=options["store"])
    async with app:
        if options["do"] != "follow":
            await kit.caught_up(app, options["name"])
        install(*options["point"])
        await DEEDS[options["do"]](app, options["name"])


async def follow(app: App, name: str) -> None:
    await kit.caught_up(app, name)


async def rebuild(app: App, name: str) -> None:
    await app.projections.rebuild(name)


async def roll_back(app: App, name: str) -> None:
    await app.projections.rollback(name)


async def retry(app: App, name: str) -> None:
    await app.projections.dead.retry(name)


async def skip(app: App, name: str) -> None:
    (first, *_) = await app.projections.dead.keys()
    await app.projections.dead.skip(name, first.key, reason="test", by="nobody")


async def retire(app: App, name: str) -> None:
    await app.projections.retire(name, drop=True)


async def pause(app: App, name: str) -> None:
    await app.projections.pause(name)


async def cancel(app: App, name: str) -> None:
    await app.projections.cancel(name)


async def clean(app: App, name: str) -> None:
    await app.projections.clean(name)


async def rewind(app: App, name: str) -> None:
    await app.projections.rewind(name, 0)


async def repair(app: App, name: str) -> None:
    await app.verify(kit.Total, repair=True)


async def send(app: App, name: str) -> None:
    await kit.append(app, kit.counted("C1", 1))
    await kit.caught_up(app, name)


DEEDS = {
    "follow": follow,
    "rebuild": rebuild,
    "roll back": roll_back,
    "retry": retry,
    "skip": skip,
    "retire": retire,
    "pause": pause,
    "cancel": cancel,
    "clean": clean,
    "rewind": rewind,
    "repair": repair,
    "send": send,
}


def run(options: dict[str, Any]) -> None:
    """Do it, in a process of its own."""
    quicken()
    asyncio.run(project(options))
