"""Every error that whence raises on purpose.

To catch one is to catch those below it::

    WhenceError
    ├── WiringError            the application is put together wrongly; raised at start
    ├── ChangedState           a decision tried to change state; only an @evolve may
    ├── Refused                a command was turned away; nothing was stored
    │   ├── Invalid            the message is malformed, whatever the state (``.fields``)
    │   ├── Forbidden          this person may not do this
    │   └── Rejected           the domain says no
    ├── Conflict               others were faster; deciding again may succeed
    │   └── Stale              the sender had not seen the latest; only the sender can decide again
    ├── Unknown                a commit's outcome could not be learnt
    ├── Behind                 a read model has not yet seen what the reader asked for
    ├── HandlerFailed          a handler of the application raised on an event (``.position``)
    ├── NotFolded              an inline read model cannot fold a new event: it was not stored
    ├── NotFound               there is no such row, stream or version
    │   └── Retired            a read model that is kept no more was asked
    ├── CodecError             what is stored and the classes of this program do not fit
    │   ├── UnknownType        no class is registered for a stored type name
    │   ├── Undecodable        the payload does not fit the class
    │   └── Unstorable         an event would not come back as it is; it was not stored
    └── StoreError             the database failed; the driver's error is the cause
        ├── ForeignStore       the file or database is not a whence store
        ├── NewerSchema        written by a later version of whence
        ├── DamagedStore       the file is truncated or corrupt
        ├── ReadOnlyStore      no right to write
        ├── StoreFull          no room to write
        └── StoreBusy          somebody else holds the write lock for too long
"""

from collections.abc import Mapping, Sequence
from typing import Any

from whence.envelope import Recorded
from whence.mistakes import kind_and_place


class WhenceError(Exception):
    """Base of all errors that whence raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # So that they reach another process, whatever their constructors take.
        return _again, (type(self), self.args, self.__dict__)


def _again(
    cls: type[WhenceError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> WhenceError:
    error: WhenceError = cls.__new__(cls, *args)
    error.__dict__ |= attributes
    return error


class WiringError(WhenceError):
    """The application is put together wrongly. Raised at start, never per message."""


class ChangedState(WhenceError):
    """A decision tried to change state; only an @evolve may."""

    def __init__(self, model: str, attribute: str) -> None:
        super().__init__(
            f"a decision assigns {model}.{attribute}, but a decision changes nothing:"
            " yield an event, and let an @evolve of that event change it"
        )


class Refused(WhenceError):
    """A command was turned away. Nothing was stored."""


class Invalid(Refused):
    """The message is malformed. ``fields`` maps every bad field to what is wrong with it."""

    def __init__(self, message: str, fields: Mapping[str, str]) -> None:
        details = "; ".join(f"{name}: {problem}" for name, problem in fields.items())
        super().__init__(f"{message} is not valid: {details}")
        self.fields: dict[str, str] = dict(fields)


class Forbidden(Refused):
    """This person may not do this."""


class Rejected(Refused):
    """The domain says no, in its own words. Applications may subclass this."""


class Conflict(WhenceError):
    """Others were faster; deciding again may succeed.

    ``expected`` and ``actual`` map each stream that moved to its versions (0: not there yet).
    ``events`` are those that came in between, or that matched the query of the condition:
    the oldest of them, at most `whence.store.MOST_CONFLICTING`.
    """

    def __init__(
        self,
        expected: Mapping[str, int],
        actual: Mapping[str, int],
        events: Sequence[Recorded] = (),
    ) -> None:
        moved = [
            f"{stream} is at version {actual[stream]}, not {expected[stream]}"
            for stream in expected
            if actual.get(stream) != expected[stream]
        ]
        if not moved:
            moved = [f"{len(events)} event(s) match the condition"]
        between = "".join(f"\n  {e.stream} {e.version}: {e.type}" for e in events[:10])
        super().__init__("; ".join(moved) + (f"; meanwhile:{between}" if between else ""))
        self.expected: dict[str, int] = dict(expected)
        self.actual: dict[str, int] = dict(actual)
        self.events: tuple[Recorded, ...] = tuple(events)


class Stale(Conflict):
    """The sender had not seen the latest; only the sender can decide again."""


class Unknown(WhenceError):
    """Whether the commit was stored could not be learnt. Ask again with the same id."""

    def __init__(
        self, commit_id: str, reason: str = "the store went away while committing"
    ) -> None:
        super().__init__(
            f"the outcome of commit {commit_id} is unknown: {reason}."
            " Send the same command with the same id again: it is applied at most once"
        )
        self.commit_id: str = commit_id


class Behind(WhenceError):
    """A read model has not yet seen what the reader asked for.

    ``halted`` says that people want it to stand still: it is "paused" or "retired".
    """

    def __init__(
        self, model: str, wanted: int, reached: int, waited: float, halted: str | None = None
    ) -> None:
        remedy = (
            "Is something running its projection (async with app, or whence worker)?"
            if halted is None
            else f"It is {halted}: `whence projections resume {model}` lets it go on"
        )
        super().__init__(
            f"{model} has reached position {reached}, not yet {wanted}"
            f" ({wanted - reached} behind) after {waited:.1f} s. {remedy}"
        )
        self.model: str = model
        self.wanted: int = wanted
        self.reached: int = reached
        self.halted: str | None = halted


class HandlerFailed(WhenceError):
    """A handler of the application raised on an event. Its own error is the cause."""

    def __init__(self, name: str, recorded: Recorded, error: BaseException) -> None:
        super().__init__(
            f"{name} cannot handle the {recorded.type!r} at position {recorded.position}"
            f" ({recorded.stream or 'no stream'} version {recorded.version}):"
            f" {kind_and_place(error)}"
        )
        self.position: int = recorded.position


class NotFolded(WhenceError):
    """An inline read model cannot fold an event that a command brings. Nothing was stored."""

    def __init__(self, model: str, problem: BaseException) -> None:
        super().__init__(
            f"{problem}. {model} is inline: what it cannot fold is not stored, so nothing was"
        )
        self.model: str = model


class NotFound(WhenceError):
    """There is no such row, stream or version."""


class Retired(NotFound):
    """A read model that is kept no more was asked."""


class CodecError(WhenceError):
    """What is stored and the classes of this program do not fit."""


class UnknownType(CodecError):
    """No class is registered for a stored type name."""


class Undecodable(CodecError):
    """A stored payload does not fit its class."""


class Unstorable(CodecError):
    """An event would not come back from the store as it is. Nothing was stored."""


class StoreError(WhenceError):
    """The database failed. The driver's error is the cause."""


class ForeignStore(StoreError):
    """The file or database is not a whence store."""


class NewerSchema(StoreError):
    """The store was written by a later version of whence."""


class DamagedStore(StoreError):
    """The store is truncated or corrupt."""


class ReadOnlyStore(StoreError):
    """There is no right to write to the store."""


class StoreFull(StoreError):
    """There is no room to write."""


class StoreBusy(StoreError):
    """Somebody else holds the store's write lock for too long."""
