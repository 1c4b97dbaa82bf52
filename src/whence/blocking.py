"""What people can do with projections, for code that does not await. See `whence.operations`."""

from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar, overload

from whence.building import Progress
from whence.letters import DeadEvent, DeadKey, Retried, Skip
from whence.operations import DeadLetters, Operations, Which
from whence.status import Status

T = TypeVar("T")


class Run(Protocol):
    """Runs work on an application's event loop, and waits for its result."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T:
        """The result of ``work``."""
        ...


class SyncOperations:
    """See `Operations`."""

    def __init__(self, run: Run, operations: Operations) -> None:
        self._run, self._operations = run, operations

    @property
    def dead(self) -> "SyncDeadLetters":
        """See `Operations.dead`."""
        return SyncDeadLetters(self._run, self._operations.dead)

    @overload
    def status(self) -> Sequence[Status]: ...
    @overload
    def status(self, which: Which) -> Status: ...
    def status(self, which: Which | None = None) -> Status | Sequence[Status]:
        """See `Operations.status`."""
        if which is None:
            return self._run(self._operations.status())
        return self._run(self._operations.status(which))

    def pause(self, which: Which) -> None:
        """See `Operations.pause`."""
        self._run(self._operations.pause(which))

    def resume(self, which: Which) -> None:
        """See `Operations.resume`."""
        self._run(self._operations.resume(which))

    def retire(self, which: Which, *, drop: bool = False) -> None:
        """See `Operations.retire`."""
        self._run(self._operations.retire(which, drop=drop))

    def rewind(self, which: Which, position: int) -> None:
        """See `Operations.rewind`."""
        self._run(self._operations.rewind(which, position))

    def rebuild(self, which: Which, progress: Progress | None = None, *, workers: int = 1) -> None:
        """See `Operations.rebuild`. ``progress`` is called from another thread."""
        self._run(self._operations.rebuild(which, progress, workers=workers))

    def cancel(self, which: Which) -> None:
        """See `Operations.cancel`."""
        self._run(self._operations.cancel(which))

    def rollback(self, which: Which) -> None:
        """See `Operations.rollback`."""
        self._run(self._operations.rollback(which))

    def clean(self, which: Which) -> None:
        """See `Operations.clean`."""
        self._run(self._operations.clean(which))


class SyncDeadLetters:
    """See `DeadLetters`."""

    def __init__(self, run: Run, letters: DeadLetters) -> None:
        self._run, self._letters = run, letters

    def keys(self, which: Which | None = None) -> list[DeadKey]:
        """See `DeadLetters.keys`."""
        return self._run(self._letters.keys(which))

    def events(self, which: Which, key: object) -> list[DeadEvent]:
        """See `DeadLetters.events`."""
        return self._run(self._letters.events(which, key))

    def retry(self, which: Which, key: object = None, *, dry: bool = False) -> list[Retried]:
        """See `DeadLetters.retry`."""
        return self._run(self._letters.retry(which, key, dry=dry))

    def skip(self, which: Which, key: object, *, reason: str, by: str) -> Retried:
        """See `DeadLetters.skip`."""
        return self._run(self._letters.skip(which, key, reason=reason, by=by))

    def skipped(self, which: Which | None = None) -> list[Skip]:
        """See `DeadLetters.skipped`."""
        return self._run(self._letters.skipped(which))
