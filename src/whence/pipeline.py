"""The pipeline: the steps around every handler of a command.

A step is ``async def step(context, call_next)``: it may look, refuse, call
``await call_next(context)`` once or again, and returns the `Receipt`. Of our own steps those that
only look are plain functions: every coroutine around a command is paid for by every command.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from inspect import isawaitable
from time import perf_counter
from typing import Any

from whence.errors import Conflict, Forbidden, Stale, StoreError, Unknown, WiringError
from whence.sending import Context, Receipt, find_receipt
from whence.store import EventStore
from whence.telemetry import Telemetry

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
        """See `Step`. Raises `Forbidden` if the application answers False, or what counts as it.

        None allows it: so does a function that raises `Forbidden` itself, or returns.
        """
        return call_next(context) if self._allowed is None else self._ask(context, call_next)

    async def _ask(self, context: Context, call_next: Handle) -> Receipt:
        assert self._allowed is not None
        answer = self._allowed(context)
        if isawaitable(answer):
            answer = await answer
        if answer is not None and not answer:
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


class _Given:
    """A step of the application's own: a slip in it must not become an answer to the sender."""

    def __init__(self, step: Step) -> None:
        self._step, self.name = step, step_name(step)

    async def __call__(self, context: Context, call_next: Handle) -> Receipt:
        answer: Any = self._step(context, call_next)
        if isawaitable(answer):
            answer = await answer
        if not isinstance(answer, Receipt):
            raise WiringError(
                f"the step {self.name} answered {answer!r} to {context.name}, not a Receipt:"
                " end it with `return await call_next(context)`"
            )
        return answer


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
        step = _Given(step)
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
