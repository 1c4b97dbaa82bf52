"""Running a promise without pytest."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from whence.testing.conformance import OpenStore, Suite

_PATIENCE = 20
"""Seconds. A test that takes longer has caught something."""


def first_failure(
    promise: type[Suite], fresh: Callable[[], OpenStore], *, rounds: int = 5
) -> str | None:
    """The name of the first test of ``promise`` that fails; ``fresh`` opens data for each.

    A race is not lost every time, so there are several rounds before the answer is None.
    """
    known = dict.fromkeys(name for cls in reversed(promise.mro()) for name in vars(cls))
    tests = [name for name in known if name.startswith("test_")]
    for name in tests * rounds:
        running = _run(getattr(promise, name), promise(), fresh())
        try:
            asyncio.run(asyncio.wait_for(running, _PATIENCE))
        except (Exception, asyncio.CancelledError, pytest.fail.Exception):
            return name
    return None


async def _run(test: Callable[..., Any], suite: Suite, open_store: OpenStore) -> None:
    fixtures: dict[str, object] = {}
    wanted = inspect.signature(test).parameters
    if "open_store" in wanted:
        fixtures["open_store"] = open_store
    if "store" not in wanted:
        await test(suite, **fixtures)
        return
    async with open_store() as store:
        await test(suite, store=store, **fixtures)
