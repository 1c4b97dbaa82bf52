"""The pipeline: which steps, in which order, what each refuses, and a user's own among them."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from whence import Conflict, Forbidden, Invalid, Receipt, Rejected
from whence.errors import Stale, StoreError, WiringError
from whence.forms import Form
from whence.messages import describe
from whence.pipeline import Authorize, Handle, Pipeline, Retry, step_name
from whence.sending import Context

from .bells import Bell, Ring, bells


class Noting:
    """A step that notes when it is passed."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self._notes = name, notes

    async def __call__(self, context: Context, call_next: Handle) -> Receipt:
        self._notes.append(f">{self.name}")
        try:
            return await call_next(context)
        finally:
            self._notes.append(f"<{self.name}")


ORDER = ["timing", "validation", "authorization", "idempotency", "retry"]


async def test_the_steps_are_in_the_order_of_the_design() -> None:
    async with bells() as app:
        assert app.running.bus.pipeline.names == ORDER


@pytest.mark.parametrize("anchor", ORDER)
async def test_a_step_of_ones_own_stands_before_or_after_any(anchor: str) -> None:
    app, notes = bells(), list[str]()
    app.use(Noting("mine", notes), before=anchor)
    app.use(Noting("yours", notes), after=anchor)
    at = ORDER.index(anchor)
    async with app:
        assert app.running.bus.pipeline.names == [
            *ORDER[:at], "mine", anchor, "yours", *ORDER[at + 1 :],
        ]  # fmt: skip
        await app.send(Ring("B1"))
    assert notes == [">mine", ">yours", "<yours", "<mine"]


async def test_without_a_place_it_stands_next_to_the_handler() -> None:
    app, notes = bells(), list[str]()
    app.use(Noting("one", notes))
    app.use(Noting("two", notes))
    async with app:
        assert app.running.bus.pipeline.names == [*ORDER, "one", "two"]


async def test_a_place_that_is_none_is_refused_with_those_that_are() -> None:
    app = bells()
    app.use(Noting("mine", []), before="logging")
    with pytest.raises(
        WiringError, match="has no step 'logging'; it has: timing, validation, aut"
    ):
        await app.__aenter__()


def test_steps_are_called_by_their_name_their_function_or_their_class() -> None:
    async def audit(context: Context, call_next: Handle) -> Receipt:
        return await call_next(context)

    class Nameless:
        async def __call__(self, context: Context, call_next: Handle) -> Receipt:
            return await call_next(context)

    assert [step_name(step) for step in (audit, Nameless(), Noting("n", []))] == [
        "audit",
        "Nameless",
        "n",
    ]
    assert Pipeline([audit]).names == ["audit"]


async def test_a_step_sees_the_command_and_may_change_what_is_said_beside_it() -> None:
    app = bells()
    seen: list[Any] = []

    @app.use
    async def signs(context: Context, call_next: Handle) -> Receipt:
        seen.append((context.command, context.name, context.by, context.attempt))
        context.by = "somebody"
        return await call_next(context)

    async with app:
        await app.send(Ring("B1"))
        (past,) = [past async for past in app.history(Bell, "B1").events()]
    assert seen == [(Ring("B1"), "Ring", None, 1)]
    assert past.about["by"] == "somebody"


async def test_a_step_may_answer_itself_or_refuse() -> None:
    app, answer = bells(), Receipt(0, {})

    async def stops(context: Context, call_next: Handle) -> Receipt:
        if context.by == "eve":
            raise Forbidden("Not you")
        return answer

    app.use(stops, before="timing")
    async with app:
        assert await app.send(Ring("B1")) is answer
        with pytest.raises(Forbidden, match="Not you"):
            await app.send(Ring("B1"), by="eve")
        assert (await app.history(Bell, "B1").now()).version == 0


# Validation.


async def test_a_malformed_command_is_refused_before_anybody_is_asked() -> None:
    asked: list[Context] = []
    async with bells(authorize=asked.append) as app:
        with pytest.raises(Invalid) as caught:
            await app.send(Ring(7, "x"))  # type: ignore[arg-type]  # pyright: ignore
    assert caught.value.fields == {
        "bell_id": "Expected `str`, got `int`",
        "times": "Expected `int`, got `str`",
    }
    assert asked == []


# Authorization.


async def _says(answer: Any) -> Any:
    await asyncio.sleep(0)
    return answer


@pytest.mark.parametrize("answer", [True, None])
@pytest.mark.parametrize("waits", [False, True])
async def test_who_is_allowed_may_send(answer: bool | None, waits: bool) -> None:
    allow: Authorize = (lambda _: _says(answer)) if waits else (lambda _: answer)
    async with bells(authorize=allow) as app:
        assert (await app.send(Ring("B1"), by="ann")).events


@pytest.mark.parametrize("answer", [0, "", ()])
async def test_what_counts_as_false_does_not_allow_it(answer: Any) -> None:
    refuse: Authorize = lambda _: answer  # noqa: E731
    async with bells(authorize=refuse) as app:
        with pytest.raises(Forbidden):
            await app.send(Ring("B1"))


@pytest.mark.parametrize("waits", [False, True])
async def test_who_is_not_allowed_may_not(waits: bool) -> None:
    refuse: Authorize = (lambda _: _says(False)) if waits else (lambda _: False)
    async with bells(authorize=refuse) as app:
        with pytest.raises(Forbidden, match=r"^eve may not Ring$"):
            await app.send(Ring("B1"), by="eve")
        with pytest.raises(Forbidden, match=r"^an unnamed sender may not Ring$"):
            await app.send(Ring("B1"))
        assert (await app.history(Bell, "B1").now()).version == 0


async def test_the_application_may_refuse_in_its_own_words() -> None:
    def only_by_day(context: Context) -> None:
        raise Forbidden("Not at night")

    async with bells(authorize=only_by_day) as app:
        with pytest.raises(Forbidden, match=r"^Not at night$"):
            await app.send(Ring("B1"))


async def test_it_may_look_at_the_command() -> None:
    def quiet(context: Context) -> bool:
        return not (isinstance(context.command, Ring) and context.command.times > 3)

    async with bells(authorize=quiet) as app:
        await app.send(Ring("B1", 3))
        with pytest.raises(Forbidden):
            await app.send(Ring("B1", 4))


# Timing.


async def test_commands_are_counted_and_timed_also_those_that_fail() -> None:
    async with bells() as app:
        await app.send(Ring("B1"))
        with pytest.raises(Rejected):
            await app.send(Ring("B1", 10))
        timing = app.running.telemetry.timings["Ring"]
    assert (timing.count, timing.failed) == (2, 1)
    assert 0 < timing.slowest <= timing.total < 5


# Retry.


def context() -> Context:
    return Context(Ring("B1"), Form(describe(Ring)), "c1")


def failing(*errors: Exception) -> tuple[Handle, list[int]]:
    """A handler that raises ``errors`` in turn and then answers, and the attempts it saw."""
    left, attempts = [*errors], list[int]()

    async def handle(context: Context) -> Receipt:
        attempts.append(context.attempt)
        if left:
            raise left.pop(0)
        return Receipt(1, {})

    return handle, attempts


async def test_a_conflict_is_decided_again() -> None:
    handle, attempts = failing(Conflict({"s": 1}, {"s": 2}), Conflict({}, {}))
    assert await Retry()(context(), handle) == Receipt(1, {})
    assert attempts == [1, 2, 3]


async def test_a_conflict_is_reported_when_the_attempts_are_used_up() -> None:
    conflicts = [Conflict({"s": n}, {"s": n + 1}) for n in range(5)]
    handle, attempts = failing(*conflicts)
    with pytest.raises(Conflict) as caught:
        await Retry(attempts=3)(context(), handle)
    assert caught.value is conflicts[2]
    assert attempts == [1, 2, 3]


@pytest.mark.parametrize(
    "error", [Stale({"s": 1}, {"s": 2}), Rejected("no"), StoreError("gone"), ValueError("bug")]
)
async def test_nothing_else_is_decided_again(error: Exception) -> None:
    handle, attempts = failing(error)
    with pytest.raises(type(error)) as caught:
        await Retry()(context(), handle)
    assert caught.value is error
    assert attempts == [1]


async def test_a_plain_function_may_be_a_step() -> None:
    app = bells()
    notes: list[str] = []

    def looks(context: Context, call_next: Handle) -> Awaitable[Receipt]:
        notes.append(context.name)
        return call_next(context)

    app.use(looks)
    async with app:
        await app.send(Ring("B1"))
    assert notes == ["Ring"]


@pytest.mark.parametrize("anchor", ["validation", "retry"])
async def test_a_step_may_call_the_next_one_again(anchor: str) -> None:
    app = bells()

    async def twice(context: Context, call_next: Handle) -> Receipt:
        try:
            return await call_next(context)
        except Rejected:
            context.command = Ring("B1", 1)
            return await call_next(context)

    app.use(twice, before=anchor)
    async with app:
        assert (await app.send(Ring("B1", 10))).versions == {"bell-B1": 1}


async def forgets(context: Context, call_next: Handle) -> Any:
    await call_next(context)


async def answers_something_else(context: Context, call_next: Handle) -> Any:
    return "done"


def does_nothing(context: Context, call_next: Handle) -> Any:
    """A plain function, too."""


@pytest.mark.parametrize("step", [forgets, answers_something_else, does_nothing])
@pytest.mark.parametrize("before", [None, "timing"])
async def test_a_step_that_loses_the_receipt_is_named(step: Any, before: str | None) -> None:
    app = bells()
    app.use(step, before=before)
    async with app:
        with pytest.raises(
            WiringError, match=rf"the step {step.__name__} answered .* to Ring, not"
        ):
            await app.send(Ring("B1"))
