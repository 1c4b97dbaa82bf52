"""Where a projection is, put together from what is kept and from what its process knows."""

from collections.abc import Awaitable, Callable, Sequence

from whence.clock import Clock
from whence.status import Owner, Pace, Standing, State, Status
from whence.store import ALL, EventStore
from whence.subscribers import Subscriber

Owners = Callable[[str], Awaitable[Sequence[Owner]]]
"""Asks who works on the slices of a projection."""

_SOON = 1.0
"""Seconds that a live projection may be behind."""


class Report:
    """Says where one subscriber is."""

    def __init__(
        self, subscriber: Subscriber, store: EventStore, clock: Clock, owners: Owners | None
    ) -> None:
        self._subscriber, self._store, self._clock = subscriber, store, clock
        self._owners = owners
        self._pace = Pace()

    async def status(self, handled: int | None, error: Exception | None) -> Status:
        """Where it is now. ``handled`` is how far this process has come, if it leads all of it."""
        name = self._subscriber.name
        standing = await self._subscriber.standing()
        head = await self._store.head()  # after it: others go on meanwhile
        if standing is None:
            problem = None if error is None else str(error)
            return Status(name, "new" if error is None else "failed", 0, head, error=problem)
        position = max(standing.position, handled or 0)
        if standing.furthest > head:
            position = standing.furthest  # which is wrong, and must be seen
        problem = None if error is None else str(error)
        if handled is None:
            problem = problem or standing.problem
        seconds = await self._seconds(position) if position < head else 0.0
        self._pace.see(position, head)
        return Status(
            name,
            _state(standing, position, head, seconds, problem),
            position,
            head,
            self._pace.rate,
            problem,
            seconds,
            self._pace.trend,
            self._pace.left(max(head - position, 0)),
            standing.parked,
            standing.generation,
            standing.building,
            standing.previous,
            () if self._owners is None else await self._owners(name),
        )

    def moved(self, position: int) -> None:
        """It has come so far, and there is more."""
        self._pace.see(position, position)

    async def _seconds(self, position: int) -> float:
        """Age of the oldest event that is not handled."""
        async for page in self._store.read(ALL, after=position, limit=1):
            for event in page.events:
                return max((self._clock.now() - event.time).total_seconds(), 0.0)
        return 0.0


def _state(
    standing: Standing, position: int, head: int, seconds: float, problem: str | None
) -> State:
    if standing.wanted != "running":
        return standing.wanted
    if problem is not None:
        return "failed"
    if standing.building is not None or position < standing.target:
        return "rebuilding"
    return "live" if position >= head or seconds < _SOON else "catching up"
