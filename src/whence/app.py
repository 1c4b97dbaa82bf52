"""`App`: everything of one application put together, and the verbs to use it.

An `App` is a declaration; what it needs while it is open is a `Running`, which is imported when
it is opened: a module that only declares is imported sooner.
"""

import sys
from collections.abc import Callable, Mapping
from copy import copy
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from whence.clock import Clock, SystemClock
from whence.config import Setting, settings
from whence.decisions import Decides, Decision
from whence.elsewhere import RowStore
from whence.errors import WhenceError, WiringError
from whence.pipeline import Authorize, Step
from whence.store import EventStore
from whence.sync import SyncApp
from whence.tasks import finished
from whence.verbs import Verbs
from whence.wiring import Part, Wiring

if TYPE_CHECKING:
    from whence.running import Running

D = TypeVar("D", bound=Decides)
Q = TypeVar("Q", bound=Callable[..., Any])


class App(Verbs):
    """One application: aggregates and deciders that decide, read models that answer.

    ``store`` is a URL or an open event store; default: the setting ``store`` (``WHENCE_STORE``),
    else ``sqlite:///<name>.db``. ``read`` is the URL of the read models' database; default:
    beside the store. ``authorize`` says whether the sender of a command may do it.
    ``cached`` is how many aggregates are kept in memory. ``projecting=False`` leaves keeping the
    read models up to date to another process. ``verify_every`` compares a few rows of each read
    model with the log, each time so many seconds have passed (see `whence.checking`).
    Raises `WiringError` for wrong parts.
    """

    def __init__(
        self,
        name: str,
        *parts: Part,
        store: str | EventStore | None = None,
        read: str | None = None,
        local: str | None = None,
        authorize: Authorize | None = None,
        clock: Clock | None = None,
        cached: int = 1024,
        projecting: bool = True,
        verify_every: float | None = None,
    ) -> None:
        if not (isinstance(name, str) and name.strip()):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WiringError(f"an application has a name, as in App('bank', ...), not {name!r}")
        self.name = name
        self.wiring = Wiring()
        for part in parts:
            self.wiring.add(part)
        self.clock: Clock = clock or SystemClock()
        self.cached = cached
        self.projecting = projecting
        self.verify_every = verify_every
        self.authorize = authorize
        self._store, self._read, self._local = store, read, local
        self._databases: Mapping[Any, str | RowStore] = {}
        self._own_databases = True
        self._steps: list[tuple[Step, str | None, str | None]] = []
        self._running: Running | None = None
        self._opening = False
        self.sync = SyncApp(name, self, self)

    def use(self, step: Step, *, before: str | None = None, after: str | None = None) -> Step:
        """Put a step of your own into every command's pipeline.

        Before or after a named one (timing, validation, authorization, idempotency, retry);
        else innermost, next to the handler.
        """
        self._check_closed("a step")
        self._steps.append((step, before, after))
        return step

    def decides(self, function: D) -> D:
        """Let a function decide the command that it annotates, on decision models.

        See `whence.decisions`. Raises `WiringError` if its annotations do not say on what.
        """
        self._check_closed("a decision")
        self.wiring.decide(Decision.of(function))
        return function

    def answers(self, function: Q) -> Q:
        """Let a function, plain or async, answer the query that it annotates.

        It takes the query and the application: ``async def find(query: Find, app: Verbs)``.
        """
        self._check_closed("an answer")
        self.wiring.answers.append(function)
        return function

    def _check_closed(self, what: str) -> None:
        if self._running is not None:
            raise WiringError(
                f"{self.name} is open: {what} is added before, or nobody would ask it"
            )

    def using(
        self,
        *,
        store: str | EventStore | None = None,
        read: str | None = None,
        local: str | None = None,
        clock: Clock | None = None,
        projecting: bool | None = None,
        databases: Mapping[Any, str | RowStore] | None = None,
    ) -> "App":
        """The same application on another store, read database or clock, as for a test.

        ``databases`` maps what classes of projections and read models name to others. On another
        store what it does not map is the read database: the classes' own hold what is of this one.
        """
        other = copy(self)
        other.wiring, other._steps = self.wiring.copy(), [*self._steps]
        other._store = self._store if store is None else store
        other._read = read if read is not None or store is not None else self._read
        other._local = local or self._local
        other._databases = self._databases if databases is None else databases
        other._own_databases = self._own_databases and store is None
        other.clock = clock or self.clock
        other.projecting = self.projecting if projecting is None else projecting
        other._running, other._opening = None, False
        other.sync = SyncApp(self.name, other, other)
        return other

    def _elsewhere(self, named: str | RowStore | None) -> str | RowStore | None:
        """Where what names this in its class writes to; None: to the read database."""
        if named is None:
            return None
        return self._databases.get(named, named if self._own_databases else None)

    def settings(self) -> dict[str, Setting]:
        """Every setting that holds for this application, and where it came from.

        There is no ``store`` among them if the application was given an open one.
        """
        named = self._store if isinstance(self._store, str) else None
        chosen = settings({"store": named, "read": self._read, "local": self._local})
        if self._store is None:
            default = Setting("store", f"sqlite:///{self.name}.db", "default")
            return {"store": default} | chosen
        return chosen if named else {n: s for n, s in chosen.items() if n != "store"}

    async def __aenter__(self) -> Self:
        """Open the store and start delivering."""
        if self._opening or (self._running is not None and self._running.here):
            raise WhenceError(f"{self.name} is open already")
        self._opening = True
        try:
            self._running = await self._start()
        finally:
            self._opening = False
        return self

    async def _start(self) -> "Running":
        from whence.places import Places
        from whence.running import Running

        chosen = self.settings()
        url = chosen["store"].value if "store" in chosen else None
        running = Running(
            self.wiring,
            url or self._store or "",
            Places(
                chosen["read"].value if "read" in chosen else None,
                chosen["local"].value if "local" in chosen else f"sqlite:///{self.name}.local.db",
                self._elsewhere,
            ),
            self.clock,
            self.authorize,
            self._steps,
            self.cached,
            self.projecting,
            self.verify_every,
            self,
        )
        await running.start()
        return running

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop delivering, finish what is under way, and let go of the store.

        Cancelled meanwhile, it does so all the same.
        """
        running, self._running = self.running, None
        await finished(running.stop())


def load(spec: str) -> App:
    """The application that ``module:name`` names. Raises `WiringError` if there is none."""
    module, separator, name = spec.partition(":")
    if not separator:
        raise WiringError(f"{spec!r} does not say which application: write module:name")
    if "" not in sys.path:
        sys.path.insert(0, "")  # what lies in the current folder, as for python itself
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise WiringError(f"{spec}: there is no module {module!r} here or installed") from error
    except AttributeError as error:
        raise WiringError(f"{spec}: the module {module} has no {name!r}") from error
    if not isinstance(found, App):
        raise WiringError(f"{spec} is a {type(found).__name__}, not an App")
    return found
