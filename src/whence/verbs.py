"""The verbs of an open application: `send`, `ask`, `read`, `history`."""

from abc import ABC, abstractmethod
from asyncio import get_running_loop
from collections.abc import Collection, Mapping
from operator import attrgetter
from random import getrandbits
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload

from whence.aggregate import Aggregate
from whence.decider import Decider
from whence.envelope import new_id
from whence.errors import WhenceError
from whence.history import History
from whence.queries import Rows
from whence.readmodels import ReadModel
from whence.sending import Context, Receipt, Sending, check_sending
from whence.wiring import Wiring

if TYPE_CHECKING:
    from whence.building import Progress
    from whence.config import Setting
    from whence.operations import Operations
    from whence.running import Running
    from whence.verifying import Verified
    from whence.why import Reason

A = TypeVar("A", bound=Aggregate)
R = TypeVar("R", bound=ReadModel)
S = TypeVar("S")


class Verbs(ABC):
    """What can be done with an open application."""

    name: str
    wiring: Wiring
    _running: "Running | None"

    @abstractmethod
    def settings(self) -> "dict[str, Setting]":
        """Every setting that holds for this application, and where it came from."""

    @property
    def running(self) -> "Running":
        """What the application needs while it is open. Raises `WhenceError` if it is not."""
        if self._running is None:
            raise WhenceError(
                f"{self.name} is not open: use `async with app:`, or `with app.sync:` in a script"
            )
        if not self._running.here:
            raise WhenceError(
                f"{self.name} is open in the process that this one was forked from: open it here,"
                " after the fork"
            )
        return self._running

    async def send(self, command: object, **about: Unpack[Sending]) -> Receipt:
        """Send a command to its one handler, and return where its events are.

        For ``about`` see `Sending`. Raises `Invalid`, `Forbidden`, `Rejected`, `Conflict`
        (`Stale` if the ``version`` that the sender had seen is not the latest), `Unknown` or
        `StoreError`.
        """
        running = self.running
        if running.loop is not get_running_loop():
            raise WhenceError(
                f"{self.name} is open in another event loop: send there, as `app.sync` does, or"
                " `asyncio.run_coroutine_threadsafe`; or open an application of your own"
            )
        form = self.wiring.commands.form(type(command))
        if about:
            check_sending(form.name, about)
        id = about.get("id")
        context = Context(
            command,
            form,
            new_id() if id is None else id,
            repeatable=id is not None,
            by=about.get("by"),
            correlation=about.get("correlation"),
            causation=about.get("causation"),
            version=about.get("version"),
        )
        return await running.bus.send(context)

    async def ask(self, query: object) -> Any:
        """The answer of a query's one handler. Raises `WiringError` if nobody answers it."""
        return await self.running.queries.ask(query)

    def read(self, model: type[R]) -> Rows[R]:
        """The rows of a read model: ``await app.read(Balance).get("ACC1", after=receipt)``."""
        return cast(Rows[R], self.running.reads.rows(model))

    async def why(
        self,
        model: type[ReadModel],
        key: object,
        column: str | None = None,
        *,
        limit: int | None = None,
    ) -> "list[Reason]":
        """Why a row is as it is: the events that changed it, or one column of it, newest first.

        Each with what it changed, who caused it and when; at most the latest ``limit``. It is
        what the log says now, also before the read model has caught up.
        """
        return await self.running.reads.model(model).why(key, column, limit)

    async def verify(
        self,
        model: type[R],
        *,
        sample: float | None = None,
        keys: Collection[object] | None = None,
        repair: bool = False,
        seed: int | None = None,
        progress: "Progress | None" = None,
    ) -> "Verified[R]":
        """Compare the rows of a read model with the log, folded afresh.

        All of them, those of ``keys``, or ``sample`` percent of the keys, others each time unless
        ``seed`` is given. ``repair`` writes the rows that differ, and no others, as they should
        be. Nothing has to stand still meanwhile. See `Verified` for what is found. Raises
        `Invalid` for what cannot be a key.
        """
        verification = self.running.reads.verification(model)
        if keys is not None:
            spec = model.__model__
            wanted = [spec.fitting(spec.key, key) for key in keys]
            return await verification.of(wanted, repair=repair)
        seed = getrandbits(32) if seed is None else seed
        return await verification.run(sample, salt=seed, repair=repair, progress=progress)

    @property
    def projections(self) -> "Operations":
        """What people can do with read models and projections: look, pause, rebuild, retire."""
        from whence.operations import Operations

        return Operations(self.running.reads.subscriptions, self.running.store, self.settings)

    async def rebuild(
        self,
        model: type[ReadModel],
        progress: "Progress | None" = None,
        *,
        keys: Collection[object] | None = None,
        where: Mapping[str, object] | None = None,
        workers: int = 1,
    ) -> None:
        """Fold a read model anew from the first event on, beside what is there; then switch.

        Queries go on answering from the old rows meanwhile. ``progress`` is told after each page
        how far it is: a position, and the head of the log. With more ``workers`` so many
        processes share the work, where read models are shared; see `whence.crew`.

        Only the rows of ``keys``, or those that have the values ``where`` says, are folded anew
        in place if either is given, and written if that makes a difference.
        """
        if keys is None and where is None:
            await self.projections.rebuild(model, progress, workers=workers)
            return
        wanted = list(keys or ())
        if where is not None:
            key_of = attrgetter(model.__model__.key)
            wanted += [key_of(row) for row in await self.read(model).where(**where).all()]
        await self.verify(model, keys=wanted, repair=True)

    @overload
    def history(self, part: type[A], id: object) -> History[A]: ...
    @overload
    def history(self, part: Decider[Any, S, Any], id: object) -> History[S]: ...
    @overload
    def history(self, part: str, id: object) -> History[Any]: ...
    def history(self, part: Any, id: object) -> History[Any]:
        """The past of one aggregate: its class, its `Decider` or its category, and its id."""
        running, behaviour = self.running, self.wiring.behaviour(part)
        events = self.wiring.events
        return History(running.store, running.repository, events, behaviour, str(id))
