"""Given what has happened, when a command comes, then this happens: tests of pure logic::

    given(Account, AccountOpened("ACC1", "ann")).when(WithdrawMoney("ACC1", 5)).then_rejected(
        "Insufficient funds"
    )

No store, no event loop. On the way three promises are checked: the command is well-formed, the
decision changed nothing but by its events, and every event comes back from storage as it was.
"""

from collections.abc import Iterable
from typing import Any

from whence.aggregate import Aggregate
from whence.codec import Codec
from whence.decider import Behaviour, Decider, DeciderBehaviour
from whence.errors import Invalid, Refused, Rejected
from whence.history import plain_state


class Given:
    """A behaviour, and what has happened to it."""

    def __init__(self, behaviour: Behaviour[Any], history: tuple[object, ...]) -> None:
        self._behaviour, self._history = behaviour, history

    def when(self, command: object) -> "Outcome":
        """Decide ``command`` on top of what has happened."""
        handler = self._behaviour.deciders.get(type(command))
        assert handler, f"{self._behaviour.name} does not decide {type(command).__name__}"
        decided: list[object] = []
        id = str(getattr(command, self._behaviour.id_field))
        try:
            Codec("command").form(type(command)).check(command)
            state = self._behaviour.decide(self.state(id), command, decided)
        except Refused as refusal:
            return Outcome(self, [], refusal)
        after = Given(self._behaviour, (*self._history, *decided))
        assert plain_state(state) == plain_state(after.state(id)), (
            f"{handler.where}: the decision changed the state itself, not by its events:"
            f" {state!r}, but its events make it {after.state(id)!r}"
        )
        return Outcome(after, decided, None)

    def state(self, id: str = "given") -> Any:
        """The state after what has happened."""
        codec, known = Codec("event"), self._behaviour.evolvers
        for event in self._history:
            form = codec.form(type(event))
            again = form.decode(form.encode(event))
            assert again == event, f"{event!r} comes back from storage as {again!r}"
        folded = [event for event in self._history if type(event) in known]
        state = self._behaviour.fold(self._behaviour.initial(id), folded)
        self._behaviour.mark(state, len(self._history))
        return state


class Outcome:
    """What a command led to."""

    def __init__(self, after: Given, events: list[object], refusal: Refused | None) -> None:
        self._after, self.events, self.refusal = after, events, refusal

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
        """Afterwards, these attributes of the state have these values."""
        state = self._after.state()
        found = {name: getattr(state, name) for name in expected}
        assert found == expected, f"the state is {state!r}"
        return self

    def and_when(self, command: object) -> "Outcome":
        """Go on with another command on top of what has happened now."""
        return self._after.when(command)

    def _told(self) -> str:
        return str(self.refusal) if self.refusal else f"{self.events!r}"


def given(subject: type[Aggregate] | Decider[Any, Any, Any], *history: object) -> Given:
    """Start a specification of ``subject`` with what has happened before."""
    if isinstance(subject, Decider):
        return Given(DeciderBehaviour(subject), history)
    return Given(subject.__behaviour__, history)


def _lines(events: Iterable[object]) -> str:
    return "\n".join(f"  {event!r}" for event in events) or "  nothing"
