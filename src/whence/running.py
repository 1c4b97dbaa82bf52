"""What an application needs while it is open: its store, its bus, its read side."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial

from whence.answers import Queries
from whence.backends import backend, given
from whence.bus import Bus
from whence.checking import ContinuousCheck
from whence.clock import Clock
from whence.deciding import Decisions
from whence.forks import this_process
from whence.pipeline import (
    Authorization,
    Authorize,
    Idempotency,
    Pipeline,
    Retry,
    Step,
    Timed,
    validation,
)
from whence.places import Places
from whence.readside import ReadSide
from whence.recording import Recorder
from whence.repository import Repository
from whence.store import EventStore
from whence.telemetry import Telemetry
from whence.wiring import Wiring

Placed = tuple[Step, str | None, str | None]
"""A step of the user's, and the step that it stands before or after."""


class Running:
    """The parts of one open application, started and stopped together."""

    def __init__(
        self,
        wiring: Wiring,
        store: str | EventStore,
        places: Places,
        clock: Clock,
        authorize: Authorize | None,
        steps: Sequence[Placed],
        cached: int,
        projecting: bool,
        verify_every: float | None,
        app: object,
    ) -> None:
        self._process = this_process()
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop that has started it: whoever waits here for others waits in this one."""
        self.backend = backend(store) if isinstance(store, str) else given(store)
        self.store = self.backend.store
        self.telemetry = Telemetry()
        recorder = Recorder(self.store, wiring.events, clock)
        self.repository = Repository(
            self.store, wiring.events, recorder, self.backend.snapshots, cached
        )
        self.bus = Bus(self._pipeline(authorize, steps))
        self.decisions = Decisions(self.store, wiring.events, recorder, self.repository)
        self._route(wiring)
        wiring.check(self.bus.handled)
        self.bus.start()
        self.reads = ReadSide(wiring, self.backend, places, clock)
        self.queries = Queries(wiring.queries, app)
        for answer in wiring.answers:
            self.queries.register(answer)
        self._projecting = projecting
        self.check = ContinuousCheck(
            self.store, self.reads.verifications(), self.telemetry, verify_every or 0.0
        )
        self._checking = verify_every is not None

    @property
    def here(self) -> bool:
        """Whether this process has started it: its threads do not come with a fork."""
        return self._process == this_process()

    async def start(self) -> None:
        """Open the store and start delivering; all of it, or nothing."""
        self.loop = asyncio.get_running_loop()
        try:
            await self.backend.open()
            for database in self.reads.databases.values():
                await database.open()
            if self._projecting:
                await self.reads.subscriptions.start()
            if self._checking:
                await self.check.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish what is under way, stop delivering, and let go of the store, whatever fails."""
        async with AsyncExitStack() as last:
            last.push_async_callback(self.backend.close)
            for database in self.reads.databases.values():
                last.push_async_callback(database.close)
            last.push_async_callback(self.reads.subscriptions.stop)
            last.push_async_callback(self.check.stop)
            last.push_async_callback(self.reads.folding.close)
            last.push_async_callback(self.repository.close)

    def _pipeline(self, authorize: Authorize | None, steps: Sequence[Placed]) -> Pipeline:
        pipeline = Pipeline(
            [
                Timed(self.telemetry),
                validation,
                Authorization(authorize),
                Idempotency(self.store),
                Retry(),
            ]
        )
        for step, before, after in steps:
            pipeline.add(step, before=before, after=after)
        return pipeline

    def _route(self, wiring: Wiring) -> None:
        for behaviour in wiring.behaviours.values():
            handle = partial(self.repository.handle, behaviour)
            for command, handler in behaviour.deciders.items():
                self.bus.register(command, handle, handler.where)
        for decision in wiring.decisions:
            handle = partial(self.decisions.handle, decision)
            self.bus.register(decision.command, handle, decision.where)
