"""The continuous check: now and then, a few rows are compared with their events.

Keys are found at places in the log that chance picks, so that a row that is missing is found as
well. It takes no more than a hundredth of one core, whatever a comparison costs.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from time import monotonic
from typing import Any

from whence.folds import Fold, Stuck
from whence.store import ALL, EventStore
from whence.tasks import ended
from whence.telemetry import Telemetry
from whence.verifying import Verification, Verified

log = logging.getLogger("whence")

_KEYS = 5
"""Rows of each read model that are compared at a time."""
_SHARE = 0.01
"""The part of the time that comparing may take."""


class ContinuousCheck:
    """Compares rows for as long as it runs, and counts and reports what differs.

    Counted under ``verify.<name>.compared`` and ``verify.<name>.differing``; see `Telemetry`.
    """

    def __init__(
        self,
        store: EventStore,
        checked: Sequence[tuple[Fold[Any], Verification[Any]]],
        telemetry: Telemetry,
        every: float,
        random: Random | None = None,
    ) -> None:
        self._store, self._checked, self._telemetry = store, checked, telemetry
        self._every, self._random = every, random or Random()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, with the first comparison after the first pause."""
        self._task = asyncio.create_task(self._run(), name="whence: continuous check")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            task, self._task = self._task, None
            await ended(task)

    async def once(self) -> list[Verified[Any]]:
        """Compare a few rows of each read model now."""
        found: list[Verified[Any]] = []
        for fold, verification in self._checked:
            if keys := await self._keys(fold):
                found.append(await verification.of(keys))
                self._report(found[-1])
        return found

    async def _run(self) -> None:
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            started = monotonic()
            try:
                await self.once()
            except Exception as error:  # a database that is away comes back
                log.warning("the continuous check could not compare: %s", error)
            pause = max(self._every, (monotonic() - started) / _SHARE)

    async def _keys(self, fold: Fold[Any]) -> list[Any]:
        """The keys that a few events concern."""
        head, found = await self._store.head(), dict[Any, None]()
        for _ in range(_KEYS if head else 0):
            after = self._random.randrange(head)
            async for page in self._store.read(ALL, after=after, limit=_KEYS):
                with suppress(Stuck):  # what nobody can read is in no row
                    steps = fold.read(fold.concerning(page.events))
                    found |= dict.fromkeys(key for step in steps[:1] for key in step[3])
        return list(found)[:_KEYS]

    def _report(self, found: Verified[Any]) -> None:
        self._telemetry.count(f"verify.{found.name}.compared", found.rows)
        self._telemetry.count(f"verify.{found.name}.differing", found.found)
        if found.found:
            keys = ", ".join(repr(one.key) for one in found.differences)
            log.error(
                "%s is out of sync with the log: the rows of %s differ. `whence verify %s` says"
                " how, and --repair writes them",
                found.name,
                keys,
                found.name,
            )
