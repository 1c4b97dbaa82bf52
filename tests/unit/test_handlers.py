"""How handlers are found, and what is said of wrong ones: each place, and the fix."""
# pyright: reportUnusedClass=false, reportUnusedFunction=false

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from whence import (
    Aggregate,
    App,
    DecisionModel,
    ReadModel,
    Rejected,
    command,
    decide,
    event,
    evolve,
    query,
)
from whence.errors import WiringError
from whence.handlers import collect, helpers, project, written_at
from whence.messages import describe


@event
class Opened:
    account_id: str


@event
class Closed:
    account_id: str


@command
class Open:
    account_id: str


@command
class Close:
    account_id: str


@query
class Find:
    owner: str


def line(of: Callable[..., Any] | type) -> str:
    """Where a function or a message was written, for patterns."""
    where = describe(of).where if isinstance(of, type) else written_at(of)
    return re.escape(where)


HERE = rf"{re.escape(__file__)}:\d+"


def test_a_handler_is_found_by_what_it_annotates_and_may_be_called_anything() -> None:
    class Account(Aggregate):
        @evolve
        def _(self, event: Opened) -> None: ...

        @evolve
        def _(self, event: Closed) -> None: ...

        @decide
        def whatever(self, command: Open) -> Iterator[object]:
            return iter(())

    assert set(collect(Account, "evolve", "event")) == {Opened, Closed}
    assert set(collect(Account, "decide", "command")) == {Open}


def test_a_union_names_several() -> None:
    class Account(Aggregate):
        @evolve
        def _(self, event: Opened | Closed) -> None: ...

    assert set(collect(Account, "evolve", "event")) == {Opened, Closed}


def test_annotations_may_be_text() -> None:
    @event
    class Local:
        account_id: str

    class Account(Aggregate):
        @evolve
        def _(self, event: "Opened") -> None: ...

        @evolve
        def _(self, event: "Local") -> None: ...

    assert set(collect(Account, "evolve", "event")) == {Opened, Local}


def test_a_subclass_overrides_and_adds() -> None:
    class Account(Aggregate):
        @evolve
        def _(self, event: Opened) -> None: ...

    class Savings(Account):
        @evolve
        def _(self, event: Opened) -> None: ...

        @evolve
        def _(self, event: Closed) -> None: ...

    base, own = collect(Account, "evolve", "event"), collect(Savings, "evolve", "event")
    assert own[Opened].where != base[Opened].where
    assert set(own) == {Opened, Closed}


def test_two_handlers_of_one_event_in_one_class_are_refused() -> None:
    with pytest.raises(
        WiringError,
        match=f"Account has two @evolve for Opened: at {HERE} and at {HERE}. Keep one",
    ) as caught:

        class Account(Aggregate):
            @evolve
            def _(self, event: Opened) -> None: ...

            @evolve
            def _(self, event: Opened) -> None: ...

    first, second = re.findall(rf"{re.escape(__file__)}:(\d+)", str(caught.value))
    assert int(first) + 3 == int(second)


def test_two_deciders_of_one_command_in_one_class_are_refused() -> None:
    with pytest.raises(WiringError, match="Account has two @decide for Open: "):

        class Account(Aggregate):
            @decide
            def one(self, command: Open) -> Iterator[object]:
                return iter(())

            @decide
            def two(self, command: Open) -> Iterator[object]:
                return iter(())


def test_a_handler_without_an_annotation_is_refused() -> None:
    with pytest.raises(
        WiringError,
        match=f"^the @evolve at {HERE} does not say which event it is for: annotate it,"
        r" as in `def _\(self, event: SomeEvent\)`",
    ):

        class Account(Aggregate):
            @evolve  # pyright: ignore
            def _(self, event):  # type: ignore
                pass


def test_a_handler_of_something_that_is_no_class_is_refused() -> None:
    with pytest.raises(WiringError, match="does not say which command it is for"):

        class Account(Aggregate):
            @decide
            def one(self, command: list[Open]) -> Iterator[object]:
                return iter(())


@pytest.mark.parametrize("parameters", ["self", "self, event: Opened, clock"])
def test_a_handler_takes_the_state_and_the_message_only(parameters: str) -> None:
    made: dict[str, Any] = {"Aggregate": Aggregate, "evolve": evolve, "Opened": Opened}
    source = f"class A(Aggregate):\n    @evolve\n    def _({parameters}): ..."
    with pytest.raises(WiringError, match="takes the state and the event, nothing else, as in"):
        exec(source, made)


def test_a_handler_of_a_class_that_is_no_message_is_refused() -> None:
    class Nothing:
        pass

    with pytest.raises(
        WiringError,
        match=rf"^the @evolve at {HERE}: .+Nothing \({HERE}\) is not a message: decorate it with"
        " @event",
    ):

        class Account(Aggregate):
            @evolve
            def _(self, event: Nothing) -> None: ...


def test_a_handler_of_the_wrong_kind_names_both_places() -> None:
    with pytest.raises(
        WiringError,
        match=rf"^the @evolve at {HERE}: command Open \({line(Open)}\) is used as an event:"
        " decorate it with @event",
    ):

        class Account(Aggregate):
            @evolve
            def _(self, event: Open) -> None: ...

    with pytest.raises(WiringError, match=r"event Opened \(.+\) is used as a command"):

        class Ledger(Aggregate):
            @decide
            def one(self, command: Opened) -> Iterator[object]:
                return iter(())


def test_an_annotation_that_names_nothing_is_refused() -> None:
    with pytest.raises(
        WiringError,
        match=f"^the @evolve at {HERE} is annotated with 'Missing', unknown there: define",
    ):

        class Account(Aggregate):
            @evolve  # pyright: ignore
            def _(self, event: "Missing") -> None: ...  # type: ignore  # noqa: F821


def test_a_fold_that_refuses_is_refused() -> None:
    with pytest.raises(
        WiringError, match=f"^the @evolve at {HERE} uses Rejected, but it refuses nothing"
    ):

        class Account(Aggregate):
            @evolve
            def _(self, event: Opened) -> None:
                raise Rejected("too late")


def test_a_fold_may_fail_and_a_decision_refuse() -> None:
    class Account(Aggregate):
        @decide
        def one(self, command: Open) -> Iterator[object]:
            raise Rejected("no")

        @evolve
        def _(self, event: Opened) -> None:
            raise ValueError("a bug")

    assert collect(Account, "evolve", "event").keys() == {Opened}


def test_an_async_handler_is_refused() -> None:
    with pytest.raises(
        WiringError, match=f"^the @decide at {HERE} is async: write a plain `def`, it has nothing"
    ):

        class Account(Aggregate):
            @decide
            async def one(self, command: Open) -> None: ...

    with pytest.raises(WiringError, match=r"the @evolve at .+ is async"):

        class Ledger(Aggregate):
            @evolve
            async def _(self, event: Opened) -> None: ...

    with pytest.raises(WiringError, match=r"the @decide at .+ is async"):

        class Book(Aggregate):
            @decide
            async def one(self, command: Open) -> Any:
                yield Opened("x")


def test_a_handler_that_is_not_repeatable_is_refused() -> None:
    with pytest.raises(
        WiringError,
        match=rf"^the @decide at {HERE} is not repeatable: it reads the clock \(datetime.now\)."
        " It must give the same result on every replay: let the command or the event carry",
    ):

        class Account(Aggregate):
            @decide
            def one(self, command: Open) -> Iterator[object]:
                yield Opened(str(datetime.now()))


def test_a_decorator_outside_a_class_is_refused() -> None:
    with pytest.raises(WiringError, match=f"^{HERE}: @decide belongs on a method, inside a class"):

        @decide
        def one(self: Any, command: Open) -> None: ...


def test_an_override_that_is_no_handler_is_refused() -> None:
    class Account(Aggregate):
        @decide
        def open(self, command: Open) -> Iterator[object]:
            return iter(())

        @evolve
        def opened(self, event: Opened) -> None: ...

    with pytest.raises(
        WiringError,
        match=rf"^{HERE}: Savings.open would not be called: it hides the @decide at {HERE}."
        " Decorate it with @decide too, or give it another name",
    ):

        class Savings(Account):
            def open(self, command: Open) -> Iterator[object]:
                return iter(())

    with pytest.raises(WiringError, match=r"Current\.opened would not be called"):

        class Current(Account):
            def opened(self, event: Opened) -> None: ...


def test_an_override_that_is_a_handler_takes_its_place() -> None:
    class Account(Aggregate):
        @decide
        def open(self, command: Open) -> Iterator[object]:
            return iter(())

    class Savings(Account):
        @decide
        def open(self, command: Open) -> Iterator[object]:
            yield from super().open(command)

    class Deposit(Savings):
        @decide
        def close(self, command: Close) -> Iterator[object]:
            return iter(())

    assert collect(Deposit, "decide", "command")[Open].function is Savings.open


def test_read_models_have_the_same_rules() -> None:
    with pytest.raises(WiringError, match="Row has two @evolve for Opened"):

        class Row(ReadModel):
            account_id: str

            @evolve
            def _(self, event: Opened) -> None: ...

            @evolve
            def _(self, event: Opened) -> None: ...


def test_a_handler_where_nobody_would_call_it_is_refused() -> None:
    with pytest.raises(
        WiringError,
        match=f"^the @project at {HERE} does nothing in Account, which has only @decide and @ev",
    ):

        class Account(Aggregate):
            @project
            def _(self, event: Opened, connection: object) -> None: ...

    with pytest.raises(
        WiringError,
        match=rf"^the @decide at {HERE} does nothing in Names, which has only @evolve$",
    ):

        class Names(DecisionModel):
            @decide
            def open(self, command: Open) -> Iterator[object]:
                return iter(())

    class Row(ReadModel):
        account_id: str

        @evolve
        def _(self, event: Opened) -> None: ...

        @decide
        def open(self, command: Open) -> Iterator[object]:
            return iter(())

    with pytest.raises(WiringError, match=rf"^the @decide at {HERE} does nothing in Row"):
        App("rows", Row)


def test_a_key_where_there_are_no_rows_is_refused() -> None:
    with pytest.raises(
        WiringError,
        match=rf"^the @evolve\(key=\.\.\.\) at {HERE} is of no use in Account: only the",
    ):

        class Account(Aggregate):
            @evolve(key="account_id")
            def _(self, event: Opened) -> None: ...


def test_what_a_fold_may_use_is_every_method_but_the_decisions() -> None:
    class Mixin:
        def _mixed(self) -> None: ...

    class Account(Mixin, Aggregate):
        @decide
        def open(self, command: Open) -> Iterator[object]:
            return iter(())

        @evolve
        def _(self, event: Opened) -> None: ...

        @property
        def _half(self) -> int:
            return 1

        def _helper(self) -> None: ...

        @staticmethod
        def _static() -> None: ...

    assert {f.__name__ for f in helpers(Account)} == {"_", "_half", "_helper", "_static", "_mixed"}
