"""What people can do with the projections of an open application: `app.projections`."""

from collections.abc import Callable, Mapping, Sequence
from typing import overload

from whence.building import Progress
from whence.config import Setting
from whence.crew import helping
from whence.errors import NotFound, WiringError
from whence.letters import DeadEvent, DeadKey, Letters, Retried, Skip
from whence.messages import place
from whence.projections import Projection
from whence.readmodels import ReadModel
from whence.slices import name_of
from whence.status import Status, Wanted
from whence.store import EventStore
from whence.subscriptions import Subscription, Subscriptions

Which = type[ReadModel] | type[Projection] | str
"""A read model or a projection: its class, or its name."""


class Operations:
    """Looks at projections, stops them, lets them go on and makes them anew.

    What is done here counts for all processes, and stays so when they start again.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        store: EventStore,
        settings: Callable[[], Mapping[str, Setting]],
    ) -> None:
        self._subscriptions, self._store, self._settings = subscriptions, store, settings

    @property
    def dead(self) -> "DeadLetters":
        """The events that could not be handled, and those that wait behind them."""
        return DeadLetters(self._subscriptions, self._store)

    @overload
    async def status(self) -> Sequence[Status]: ...
    @overload
    async def status(self, which: Which) -> Status: ...
    async def status(self, which: Which | None = None) -> Status | Sequence[Status]:
        """Where one is, or each of them."""
        if which is None:
            return await self._subscriptions.status()
        return await self._of(which).status()

    async def pause(self, which: Which) -> None:
        """Let it stand still, until it is resumed. When this returns, it does."""
        await self._want(which, "paused")

    async def resume(self, which: Which) -> None:
        """Let it go on where it stood still; also if it was retired."""
        await self._want(which, "running")

    async def retire(self, which: Which, *, drop: bool = False) -> None:
        """Stop it for good; ``drop`` what it has made. Who reads it gets `Retired`."""
        await self._want(which, "retired")
        if drop:
            await self._of(which).subscriber.controls.drop()

    async def rewind(self, which: Which, position: int) -> None:
        """Handle what is after ``position`` once more.

        The handlers of a `Projection` are called again, and have to bear that. The rows of a read
        model that were touched since are folded afresh: those that were not right are then.
        Raises ValueError for what is no position.
        """
        if position < 0:
            raise ValueError("positions count from 1; 0 is before the first event")
        subscription = self._of(which)
        await subscription.subscriber.controls.rewind(self._store, position)
        subscription.wake()

    async def rebuild(
        self, which: Which, progress: Progress | None = None, *, workers: int = 1
    ) -> None:
        """Make everything anew from the first event on; return when it has caught up.

        A read model is built beside the live one, which answers meanwhile; then they change
        places. A `Projection` is emptied, and filled again in place. ``progress`` is told after
        each page how far it is: a position, and the head of the log. With more ``workers``, so
        many processes share the work, if their database can be shared; see `whence.crew`. Raises
        what stops it.
        """
        if workers < 1:
            raise ValueError(f"workers is a whole number from 1 on, not {workers!r}")
        subscription = self._of(which)
        others = workers - 1 if subscription.can_be_shared else 0
        async with helping(subscription.name, others, self._settings()):
            await subscription.rebuild(progress)

    async def cancel(self, which: Which) -> None:
        """Break off a rebuild, whoever is at it. Raises `NotFound` if there is none."""
        subscription = self._of(which)
        if not await subscription.subscriber.controls.cancel():
            raise NotFound(f"there is no rebuild of {subscription.name} to break off")
        subscription.wake()

    async def rollback(self, which: Which) -> None:
        """Go back to the table before the latest rebuild, and catch up from there.

        If other code had made it, it is paused: run that code, and resume it. Raises `NotFound`
        if that table is not there any more.
        """
        subscription = self._of(which)
        if not await subscription.subscriber.controls.roll_back():
            raise NotFound(f"there is no {subscription.name} of before to go back to")
        subscription.wake()

    async def clean(self, which: Which) -> None:
        """Drop the table of before the latest rebuild. Raises `NotFound` if there is none."""
        subscription = self._of(which)
        if not await subscription.subscriber.controls.clean():
            raise NotFound(f"there is no {subscription.name} of before to drop")

    async def _want(self, which: Which, wanted: Wanted) -> None:
        subscription = self._of(which)
        await subscription.subscriber.controls.want(wanted)
        subscription.wake()

    def _of(self, which: Which) -> Subscription:
        return _found(self._subscriptions, which)


class DeadLetters:
    """Looks at what is parked, tries it again, and leaves out what will never be handled.

    A key is given as the row has it, or as text; what is parked under a stream, as
    ``"stream:account-ACC1"``.
    """

    def __init__(self, subscriptions: Subscriptions, store: EventStore) -> None:
        self._subscriptions, self._store = subscriptions, store

    async def keys(self, which: Which | None = None) -> list[DeadKey]:
        """The keys whose events wait, of one projection or of all."""
        names = self._subscriptions.by_name if which is None else [which]
        return [key for one in names for key in await self._of(one).keys()]

    async def events(self, which: Which, key: object) -> list[DeadEvent]:
        """The events of a key that wait, in order. Raises `NotFound` if there are none."""
        return [*await self._of(which).events(name_of(key))]

    async def retry(self, which: Which, key: object = None, *, dry: bool = False) -> list[Retried]:
        """Handle the events of a key, or of all keys, in order, with today's code.

        The first that fails again waits again, and with it those behind it. ``dry``: only see
        what would become of them. Raises `NotFound` if none wait under ``key``.
        """
        letters = self._of(which)
        names = [one.key for one in await letters.keys()] if key is None else [name_of(key)]
        return [await letters.retry(name, dry=dry) for name in names]

    async def skip(self, which: Which, key: object, *, reason: str, by: str) -> Retried:
        """Leave out the first event of a key, for ever, and go on with those behind it.

        Every fold leaves it out from now on, rebuilds too; ``reason`` and ``by`` whom are kept.
        Raises `NotFound` if none wait under ``key``.
        """
        return await self._of(which).skip(name_of(key), reason, by)

    async def skipped(self, which: Which | None = None) -> list[Skip]:
        """What was left out, by whom and why."""
        names = self._subscriptions.by_name if which is None else [which]
        return [skip for one in names for skip in await self._of(one).skipped()]

    def _of(self, which: Which) -> Letters:
        return _found(self._subscriptions, which).subscriber.letters(self._store)


def _found(subscriptions: Subscriptions, which: Which) -> Subscription:
    known = subscriptions.by_name
    name = which if isinstance(which, str) else _name(which)
    if name is not None and name in known:
        return known[name]
    said = which if isinstance(which, str) else place(which)
    if isinstance(which, type) and issubclass(which, ReadModel) and which.__model__.kind == "live":
        raise WiringError(f"{said} is live: it has no table that follows the log")
    raise WiringError(
        f"{said} does not follow the log here; what does: {', '.join(known) or 'nothing'}"
    )


def _name(which: type[ReadModel] | type[Projection]) -> str | None:
    known = getattr(which, "__model__" if issubclass(which, ReadModel) else "__projection__", None)
    return None if known is None else known.name
