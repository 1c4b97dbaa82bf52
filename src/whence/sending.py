"""A command on its way: who sends it, why, and what it is answered."""

from collections.abc import Iterable, Mapping
from inspect import getmembers_static
from typing import TypedDict

from msgspec import Struct

from whence.envelope import id_of
from whence.errors import Invalid
from whence.forms import Form
from whence.store import EventStore, check_names, of_commit


class Receipt(Struct, frozen=True, gc=False):
    """The answer to a command: where its events are, never data."""

    position: int
    """Of its last event, or of the last one that its decision had seen if it changed nothing.
    A read model that has reached it shows what the command did."""
    versions: Mapping[str, int]
    """Of each stream that the command decided on, right after it."""
    events: tuple[str, ...] = ()
    """The ids of the stored events; none if there was nothing to do."""
    duplicate: bool = False
    """This command id had been handled before; nothing was done now."""


class Context(Struct):
    """A command on its way through the pipeline, and who sent it why."""

    command: object
    form: Form
    id: str
    """Identifies the command: it is applied at most once."""
    repeatable: bool = False
    """The sender chose the id, so it may have been sent before."""
    by: str | None = None
    correlation: str | None = None
    causation: str | None = None
    version: int | None = None
    """The version of the aggregate that the sender had seen."""
    attempt: int = 1

    @property
    def name(self) -> str:
        """The command's registered name."""
        return self.form.name


class Sending(TypedDict, total=False):
    """What the sender of a command may say beside it. All of it is optional."""

    by: str
    """Who sends it."""
    id: str
    """Makes it safe to repeat: what has the same id is applied at most once."""
    version: int
    """The version of the aggregate that the sender had seen."""
    correlation: str
    """Which conversation it belongs to."""
    causation: str
    """Which message led to it."""


_TEXTS = frozenset(("by", "correlation", "causation"))


def check_sending(command: str, about: Mapping[str, object]) -> None:
    """Raise `Invalid` for what does not fit `Sending`, TypeError for what is not in it."""
    bad: dict[str, str] = {}
    for name, value in about.items():
        if name in _TEXTS and type(value) is str and value.isascii():  # as nearly always
            continue
        if name not in Sending.__annotations__:
            known = ", ".join(Sending.__annotations__)
            raise TypeError(f"nothing called {name!r} can be said beside a command, only: {known}")
        kind = int if name == "version" else str
        if value is not None and not isinstance(value, kind):
            bad[name] = f"Expected `{kind.__name__}`, got `{type(value).__name__}`"
        elif isinstance(value, str) and not _is_simple(value):
            try:
                value.encode()
                if name == "id":
                    check_names([value])
            except ValueError as error:
                bad[name] = str(error)
    if bad:
        raise Invalid(command, bad)


def _is_simple(text: str) -> bool:
    """Whether ``text`` fits everywhere, as nearly all do."""
    return text.isprintable() and 0 < len(text) < 100


async def find_receipt(store: EventStore, context: Context) -> Receipt | None:
    """What the command with this id did when it was handled; None if it stored nothing.

    Raises `Invalid` if the id belongs to another kind of command, or to that of another thing.
    """
    pages = store.read(of_commit(context.id))
    events = [event async for page in pages for event in page.events]
    if not events:
        return None
    before = events[0].about.get("command", context.name)
    versions = {event.stream: event.version for event in events if event.stream}
    if before != context.name or not _speaks_of(context, versions):
        where = ", ".join(versions)
        raise Invalid(
            context.name,
            {"id": f"{context.id!r} was used before, for {before}{where and f' ({where})'}"},
        )
    ids = tuple(event.id for event in events)
    return Receipt(events[-1].position, versions, ids, duplicate=True)


def _speaks_of(context: Context, streams: Iterable[str]) -> bool:
    """Whether all ``streams`` are those of things that the command names.

    It names them in its fields or, where a function decides it, in its properties.
    """
    command = context.command
    names = [field.name for field in context.form.message.fields]
    names += [name for name, _ in getmembers_static(type(command), _is_property)]
    named = {str(getattr(command, name)) for name in names}
    return named.issuperset(map(id_of, streams))


def _is_property(value: object) -> bool:
    return isinstance(value, property)
