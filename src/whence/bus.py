"""The message router: every command finds its one handler here, through the pipeline.

A step of the pipeline is ``async def step(context, call_next)``: it may look, refuse, call
``await call_next(context)`` once or again, and returns the `Receipt`. Of our own steps those that
only look are plain functions: every coroutine around a command is paid for by every command.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from time import perf_counter
from typing import TypedDict

from msgspec import Struct

from whence.codec import Codec, Form
from whence.errors import Conflict, Forbidden, Invalid, Stale, StoreError, Unknown, WiringError
from whence.messages import place
from whence.store import EventStore, check_names, of_commit
from whence.telemetry import Telemetry


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
    return text.isascii() and text.isprintable() and 0 < len(text) < 100


Handle = Callable[[Context], Awaitable[Receipt]]
Step = Callable[[Context, Handle], Awaitable[Receipt]]
Authorize = Callable[[Context], bool | Awaitable[bool | None] | None]


class Timed:
    """Traces each command and notes how long it took."""

    name = "timing"

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def __call__(self, context: Context, call_next: Handle) -> Receipt:
        """See `Step`."""
        start, failed = perf_counter(), True
        with self._telemetry.span(context.name, command_id=context.id):
            try:
                receipt = await call_next(context)
                failed = False
                return receipt
            finally:
                self._telemetry.took(context.name, start, failed)


def validation(context: Context, call_next: Handle) -> Awaitable[Receipt]:
    """Refuse a command whose fields do not fit their annotations, naming every bad one."""
    context.form.check(context.command)
    return call_next(context)


class Authorization:
    """Asks the application whether the sender may do this."""

    name = "authorization"

    def __init__(self, allowed: Authorize | None) -> None:
        self._allowed = allowed

    def __call__(self, context: Context, call_next: Handle) -> Awaitable[Receipt]:
        """See `Step`. Raises `Forbidden` if the application answers False."""
        return call_next(context) if self._allowed is None else self._ask(context, call_next)

    async def _ask(self, context: Context, call_next: Handle) -> Receipt:
        assert self._allowed is not None
        answer = self._allowed(context)
        if isawaitable(answer):
            answer = await answer
        if answer is False:
            raise Forbidden(f"{context.by or 'an unnamed sender'} may not {context.name}")
        return await call_next(context)


class Idempotency:
    """Answers a command that has been handled before with its first receipt."""

    name = "idempotency"

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def __call__(self, context: Context, call_next: Handle) -> Awaitable[Receipt]:
        """See `Step`. Raises `Invalid` if the id belongs to another kind of command."""
        return self._find(context, call_next) if context.repeatable else call_next(context)

    async def _find(self, context: Context, call_next: Handle) -> Receipt:
        if first := await find_receipt(self._store, context):
            return first
        try:
            receipt = await call_next(context)
        except (StoreError, Unknown):
            raise
        except Exception:
            # Sent twice at once, it may have been refused because the other one came first.
            if first := await find_receipt(self._store, context):
                return first
            raise
        return receipt if receipt.events else await find_receipt(self._store, context) or receipt


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
    """Whether all ``streams`` are those of things that the command names in its fields."""
    named = {str(getattr(context.command, field.name)) for field in context.form.message.fields}
    return named.issuperset(stream.partition("-")[2] for stream in streams)


_LONGEST = 0.25
"""Seconds between two attempts, at most."""


class Retry:
    """Decides again when others were faster, unless the sender said what it had seen."""

    name = "retry"

    def __init__(self, attempts: int = 20) -> None:
        self._attempts = attempts

    async def __call__(self, context: Context, call_next: Handle) -> Receipt:
        """See `Step`. Raises the last `Conflict` when the attempts are used up."""
        while True:
            try:
                return await call_next(context)
            except Stale:
                raise
            except Conflict:
                if context.attempt >= self._attempts:
                    raise
            await asyncio.sleep(random.uniform(0, min(0.001 * 2**context.attempt, _LONGEST)))
            context.attempt += 1


class Pipeline:
    """The steps around every handler, outermost first."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = list(steps)

    @property
    def names(self) -> list[str]:
        """What the steps are called, outermost first."""
        return [step_name(step) for step in self._steps]

    def add(self, step: Step, *, before: str | None = None, after: str | None = None) -> None:
        """Put ``step`` in: before or after a named one, else innermost, next to the handler."""
        if before is None and after is None:
            self._steps.append(step)
            return
        anchor = before or after
        if anchor not in self.names:
            known = ", ".join(self.names)
            raise WiringError(f"the pipeline has no step {anchor!r}; it has: {known}")
        self._steps.insert(self.names.index(anchor) + (before is None), step)

    def around(self, handle: Handle) -> Handle:
        """``handle`` with all the steps around it."""
        for step in reversed(self._steps):
            handle = _around(step, handle)
        return handle


def step_name(step: Step) -> str:
    """What a step is called: its ``name``, or the name of its function or class."""
    name = getattr(step, "name", None) or getattr(step, "__name__", None)
    return name if isinstance(name, str) else type(step).__name__


def _around(step: Step, call_next: Handle) -> Handle:
    def handle(context: Context) -> Awaitable[Receipt]:
        return step(context, call_next)

    return handle


@dataclass(slots=True)
class Bus:
    """Sends each command to the one handler of its type."""

    commands: Codec
    pipeline: Pipeline
    _handlers: dict[type, tuple[Handle, str]] = field(
        default_factory=dict[type, tuple[Handle, str]]
    )
    _routes: dict[type, Handle] = field(default_factory=dict[type, Handle])

    def register(self, command: type, handle: Handle, where: str) -> None:
        """Let ``handle``, written at ``where``, answer for ``command``.

        Raises `WiringError` if the command has a handler already.
        """
        if command in self._handlers:
            raise WiringError(
                f"{place(command)} has two handlers, at {self._handlers[command][1]} and at"
                f" {where}: a command has exactly one. Remove one"
            )
        self.commands.form(command)
        self._handlers[command] = (handle, where)

    def start(self) -> None:
        """Put the pipeline around every handler."""
        self._routes = {
            command: self.pipeline.around(handle)
            for command, (handle, _) in self._handlers.items()
        }

    def send(self, context: Context) -> Awaitable[Receipt]:
        """Hand the command to its handler. Raises `WiringError` if nobody handles it."""
        route = self._routes.get(type(context.command))
        if route is None:
            raise unhandled(type(context.command))
        return route(context)

    @property
    def handled(self) -> Iterable[type]:
        """The commands that have a handler."""
        return self._handlers.keys()


def unhandled(command: type) -> WiringError:
    """Nobody handles ``command``: where it is, and the fix."""
    return WiringError(
        f"{place(command)} has no handler: give an aggregate a @decide for it and pass the"
        " aggregate to App, or decide it in a function with @app.decides"
    )
