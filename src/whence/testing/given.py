"""Given what has happened, when a command comes, then this happens: tests of pure logic::

    given(Account, AccountOpened("ACC1", "ann")).when(WithdrawMoney("ACC1", 5)).then_rejected(
        "Insufficient funds"
    )

No store, no event loop. On the way three promises are checked: the command is well-formed, the
decision changed nothing but by its events, and every event comes back from storage as it was.
"""

from collections.abc import Iterable
from typing import Any, Protocol, cast

from whence.aggregate import Aggregate
from whence.codec import Codec
from whence.decider import Behaviour, Decider, DeciderBehaviour
from whence.deciding import Scope
from whence.decisions import Decides, Decision
from whence.envelope import id_of
from whence.errors import CodecError, Invalid, Refused, Rejected
from whence.history import plain_state
from whence.repository import stream_of
from whence.sending import Context

_MISSING = object()


class _Scene(Protocol):
    """What a decision looks at, with all that has happened."""

    def happen(self, event: object) -> None: ...

    def decide(self, decided: list[object]) -> None: ...

    @property
    def states(self) -> list[Any]: ...


class _Stream:
    """One stream, as an aggregate or a decider sees it."""

    def __init__(self, behaviour: Behaviour[Any], context: Context) -> None:
        self._behaviour, self._command = behaviour, context.command
        self._state = behaviour.initial(id_of(stream_of(behaviour, context)))
        self._version = 0

    @property
    def states(self) -> list[Any]:
        return [self._state]

    def happen(self, event: object) -> None:
        if type(event) in self._behaviour.evolvers:
            self._state = self._behaviour.fold(self._state, [event])
        self._version += 1
        self._behaviour.mark(self._state, self._version)

    def decide(self, decided: list[object]) -> None:
        self._state = self._behaviour.decide(self._state, self._command, decided)


class _Boundary:
    """Several things at once, as a function with ``@app.decides`` sees them."""

    def __init__(self, decision: Decision, context: Context) -> None:
        self._aggregates = [part for part in decision.parts if issubclass(part, Aggregate)]
        self._scope = Scope(decision, context, Codec("event"))

    @property
    def states(self) -> list[Any]:
        return self._scope.states

    def happen(self, event: object) -> None:
        stream = None
        for behaviour in (part.__behaviour__ for part in self._aggregates):
            id = getattr(event, behaviour.id_field, None)
            if type(event) in behaviour.evolvers and id is not None:
                stream = f"{behaviour.name}-{id}"
                break
        self._scope.happen(event, stream)

    def decide(self, decided: list[object]) -> None:
        placed: list[tuple[str, object]] = []
        try:
            self._scope.decide(placed)
        finally:
            decided += [event for _, event in placed]


class Given:
    """Something that decides, and what has happened before."""

    def __init__(
        self,
        subject: Behaviour[Any] | Decision,
        history: tuple[object, ...],
        context: Context | None = None,
    ) -> None:
        self._subject, self._history, self._context = subject, history, context

    def when(self, command: object) -> "Outcome":
        """Decide ``command`` on top of what has happened."""
        self._check_decides(command)
        form = Codec("command").form(type(command))
        before = Given(self._subject, self._history, Context(command, form, "given"))
        decided: list[object] = []
        refusal: Refused | None = None
        try:
            form.check(command)
            scene = before.scene()
        except Invalid as invalid:
            return Outcome(before, [], invalid)
        try:
            scene.decide(decided)
        except Refused as refused:
            refusal = refused
        after = Given(self._subject, (*self._history, *decided), before._context)
        self._check_changed_nothing(scene, after.scene())
        return Outcome(before, [], refusal) if refusal else Outcome(after, decided, None)

    def scene(self) -> _Scene:
        """All that the decision looks at, after what has happened."""
        assert self._context is not None
        if isinstance(self._subject, Decision):
            scene: _Scene = _Boundary(self._subject, self._context)
        else:
            scene = _Stream(self._subject, self._context)
        for event in self._history:
            scene.happen(_as_stored(event))
        return scene

    def _check_decides(self, command: object) -> None:
        subject = self._subject
        decided = [subject.command] if isinstance(subject, Decision) else [*subject.deciders]
        assert type(command) in decided, (
            f"{subject.where} does not decide {type(command).__name__}, only"
            f" {', '.join(known.__name__ for known in decided)}"
        )

    def _check_changed_nothing(self, scene: _Scene, again: _Scene) -> None:
        for found, folded in zip(scene.states, again.states, strict=True):
            assert plain_state(found) == plain_state(folded), (
                f"the decision at {self._subject.where} changed the state itself, not by its"
                f" events: {found!r}, but what has happened makes it {folded!r}"
            )


class Outcome:
    """What a command led to."""

    def __init__(self, after: Given, events: list[object], refusal: Refused | None) -> None:
        self._after, self.events, self.refusal = after, events, refusal

    def __repr__(self) -> str:
        return f"<Outcome: {self.refusal!r}>" if self.refusal else f"<Outcome: {self.events}>"

    def then(self, *expected: object) -> "Outcome":
        """Exactly these events happened, in this order; none: nothing happened."""
        if self.refusal is not None:
            raise AssertionError(f"it was refused: {self.refusal}") from self.refusal
        assert self.events == list(expected), (
            f"happened:\n{_lines(self.events)}\nexpected:\n{_lines(expected)}"
        )
        return self

    def then_rejected(self, reason: str | type[Rejected] = Rejected) -> "Outcome":
        """The domain said no: with these words in its reason, or with this kind of error."""
        assert isinstance(self.refusal, Rejected), f"it was not rejected but led to {self._told()}"
        if isinstance(reason, str):
            assert reason in str(self.refusal), f"it was rejected with other words: {self.refusal}"
        else:
            assert isinstance(self.refusal, reason), f"it was rejected as {self.refusal!r}"
        return self

    def then_invalid(self, *fields: str) -> "Outcome":
        """The command was malformed, in exactly these fields."""
        assert isinstance(self.refusal, Invalid), f"it was not invalid but led to {self._told()}"
        assert sorted(self.refusal.fields) == sorted(fields), str(self.refusal)
        return self

    def then_state(self, **expected: object) -> "Outcome":
        """Afterwards, these attributes of the state have these values.

        Of several things that were looked at, the first that has the attribute counts.
        """
        states = self._after.scene().states
        for name, value in expected.items():
            having = [state for state in states if getattr(state, name, _MISSING) is not _MISSING]
            assert having, f"nothing has an attribute {name!r}: {states!r}"
            found = getattr(having[0], name)
            assert found == value, f"{name} is {found!r}, not {value!r}, in {having[0]!r}"
        return self

    def and_when(self, command: object) -> "Outcome":
        """Go on with another command on top of what has happened now."""
        return self._after.when(command)

    def _told(self) -> str:
        if self.refusal is not None:
            return f"{type(self.refusal).__name__}: {self.refusal}"
        return f"these events:\n{_lines(self.events)}"


def given(subject: type[Aggregate] | Decider[Any, Any, Any] | Decides, *history: object) -> Given:
    """Start a specification of ``subject`` with what has happened before.

    The subject is an aggregate, a decider, or a function that decides (``@app.decides``).
    """
    return Given(_behind(subject), history)


def _behind(subject: Any) -> Behaviour[Any] | Decision:
    if issubclass(type(subject), Decider):
        return DeciderBehaviour(subject)
    if hasattr(subject, "__behaviour__"):
        return cast(Behaviour[Any], subject.__behaviour__)
    return Decision.of(subject)


def _as_stored(event: object) -> object:
    """``event`` as it comes back from storage, which must be as it was."""
    form = Codec("event").form(type(event))
    try:
        return form.decode(form.keep(event))
    except CodecError as error:
        raise AssertionError(f"{event!r} does not come back from storage: {error}") from error


def _lines(events: Iterable[object]) -> str:
    return "\n".join(f"  {event!r}" for event in events) or "  nothing"
